import pytest

from gateway.client.platform import from_file
from gateway.client.workload import ALIAS, login_workload, workload_source
from gateway.errors import InvalidInput, LocalFileError, LoginFailed


@pytest.fixture
def read(tmp_path):
    file = tmp_path / "token"
    file.write_text("workload-token")
    return from_file(file)


def test_without_a_token_nothing_is_asked(gateway, web, tmp_path):
    with pytest.raises(LocalFileError):
        login_workload(gateway, from_file(tmp_path / "token"))
    assert web.requests == []


def test_a_token_is_not_sent_in_the_clear(read):
    with pytest.raises(InvalidInput):
        workload_source("http://gateway.example.org", read).credential()


def test_a_gateway_that_binds_no_tokens_is_no_place_for_a_bound_login(gateway, read):
    with pytest.raises(LoginFailed, match="does not bind"):
        login_workload(gateway, read, dpop=True)


def test_a_job_gets_a_gateway_token(gateway, read, web):
    login = login_workload(gateway, read)
    assert (login.issuer, login.token, login.proof_key) == (ALIAS, "gateway-token", "")
    assert workload_source(gateway, read).credential().token == "gateway-token"
    assert web.requests[-1][1]["subject_token"] == "workload-token"


def test_a_bound_job_keeps_one_key_and_proves_it_at_each_exchange(gateway, read, web):
    web.answers["/oauth2/token"] = (200, {"access_token": "bound", "expires_in": 3600, "token_type": "DPoP"})
    assert "PRIVATE KEY" in login_workload(gateway, read, dpop=True).proof_key
    source = workload_source(gateway, read, dpop=True)
    assert source.credential() == source.credential()
    assert source.credential().key is not None
