import pytest

from gateway.client import platform
from gateway.client.environment import Environment
from gateway.client.platform import find_platform, from_file, from_github
from gateway.errors import IssuerUnavailable, LocalFileError, LoginFailed

URL = "https://gateway.example.org"


@pytest.fixture(autouse=True)
def projected(tmp_path, monkeypatch):
    """Where Kubernetes would mount the token; nothing is there yet."""
    file = tmp_path / "gateway-token"
    monkeypatch.setattr(platform, "PROJECTED_TOKEN", file)
    return file


@pytest.mark.parametrize("content", [b"", b" \n", b"a" * (16 * 1024 + 1), b"\xff"])
def test_a_file_that_holds_no_token_is_named(tmp_path, content):
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(LocalFileError, match=str(file)):
        from_file(file)()


def test_a_file_that_is_missing_is_named(tmp_path):
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(LocalFileError, match=str(place)):
            from_file(place)()


def test_a_machine_that_is_no_platform_has_no_token():
    assert find_platform(Environment(), url=URL) is None
    assert find_platform(Environment(github_url="https://a.example"), url=URL) is None


def test_the_clusters_own_token_is_never_taken():
    assert "serviceaccount" not in str(platform.PROJECTED_TOKEN)


def test_the_request_for_a_token_is_not_sent_in_the_clear():
    with pytest.raises(LoginFailed, match="HTTPS"):
        from_github("http://github.example/token", "secret", audience=URL)()


@pytest.mark.parametrize(
    "answer", [(403, {}), (200, {}), (200, {"value": 7}), (200, {"value": "t" * 20_000}), (302, {"value": "t"})]
)
def test_a_refusal_names_the_permission_that_the_job_needs(web, answer):
    web.answers["/token"] = answer
    with pytest.raises(LoginFailed) as caught:
        from_github(f"{web.url}/token", "secret", audience=URL)()
    assert "id-token: write" in caught.value.hint
    assert "secret" not in str(caught.value) + caught.value.hint


def test_github_that_does_not_answer_may_be_asked_again(web):
    web.answers["/token"] = (200, b"<html>")
    with pytest.raises(IssuerUnavailable):
        from_github(f"{web.url}/token", "secret", audience=URL)()


def test_github_is_asked_afresh_each_time_for_the_gateways_audience(web):
    web.answers["/token"] = [(200, {"value": "one"}), (200, {"value": "two"})]
    environment = Environment(github_url=f"{web.url}/token?api-version=2.0", github_token="secret")
    read = find_platform(environment, url=URL)
    assert [read(), read()] == ["one", "two"]
    assert web.seen == [("Bearer secret", {"api-version": "2.0", "audience": URL})] * 2


def test_another_audience_may_be_named(web):
    web.answers["/token"] = (200, {"value": "one"})
    environment = Environment(github_url=f"{web.url}/token", github_token="s", workload_audience="ml-data")
    find_platform(environment, url=URL)()
    assert web.seen[0][1] == {"audience": "ml-data"}


def test_what_somebody_set_goes_before_what_the_platform_brings(tmp_path, projected):
    file = tmp_path / "token"
    file.write_text("of-the-file\n")
    projected.write_text("of-kubernetes")
    told = Environment(workload_token_file=str(file), workload_token="of-gitlab", github_url="x", github_token="y")
    assert find_platform(told, url=URL)() == "of-the-file"
    assert find_platform(Environment(workload_token="of-gitlab", github_url="x"), url=URL)() == "of-gitlab"
    assert find_platform(Environment(), url=URL)() == "of-kubernetes"


def test_kubernetes_token_is_read_afresh_each_time(projected):
    projected.write_text("one")
    read = find_platform(Environment(), url=URL)
    assert read() == "one"
    projected.write_text("two")
    assert read() == "two"


def test_the_environment_shows_no_secret():
    variables = {"GATEWAY_WORKLOAD_TOKEN": "secret", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret", "GATEWAY_DPOP": "1"}
    read = Environment.read(variables)
    assert (read.workload_token, read.github_token, read.dpop) == ("secret", "secret", True)
    assert "secret" not in repr(read)
    assert not Environment.read({"GATEWAY_DPOP": "0"}).dpop
