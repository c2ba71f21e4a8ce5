import pytest

from gateway.client.workload import login_workload, workload_source
from gateway.errors import InvalidInput, LocalFileError


def test_a_job_without_its_token_is_told_where_it_was_looked_for(gateway, web, tmp_path):
    with pytest.raises(LocalFileError, match=str(tmp_path)):
        login_workload(gateway, tmp_path / "token")
    assert web.requests == []


def test_a_jobs_token_is_not_sent_in_the_clear(tmp_path):
    file = tmp_path / "token"
    file.write_text("workload-token")
    with pytest.raises(InvalidInput):
        workload_source("http://gateway.example.org", file).token()


def test_a_job_is_logged_in_with_the_token_in_its_file(gateway, web, tmp_path):
    file = tmp_path / "token"
    file.write_text("workload-token\n")
    assert login_workload(gateway, file).token == "gateway-token"
    assert workload_source(gateway, file).token() == "gateway-token"
    assert [form["subject_token"] for _, form in web.requests] == ["workload-token"] * 2
    assert web.requests[0][1]["subject_token_type"].endswith(":jwt")
