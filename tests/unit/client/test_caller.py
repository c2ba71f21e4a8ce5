from datetime import timedelta

import pytest

from gateway.client.caller import find_caller
from gateway.client.environment import Environment
from gateway.client.profile import Login, ProfileStore
from gateway.client.tokens import StaticToken, WorkloadToken
from gateway.clock import utc_now
from gateway.errors import InvalidConfiguration, Unauthenticated

NOTHING = Environment()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    return ProfileStore(tmp_path)


def log_in(home, profile, url):
    home.save(
        profile, Login(url=url, issuer="people", expires_at=utc_now() + timedelta(hours=1), token=f"of-{profile}")
    )


def test_a_login_is_not_shown_to_another_gateway(home):
    log_in(home, "default", "https://one.example")
    with pytest.raises(InvalidConfiguration, match=r"logged in at https://one\.example, not at https://two\.example"):
        find_caller("https://two.example", None, None, NOTHING)


def test_nobody_logged_in_is_told():
    with pytest.raises(Unauthenticated, match="Nobody is logged in"):
        find_caller(None, None, None, NOTHING)


def test_a_token_without_a_url_is_told():
    with pytest.raises(InvalidConfiguration, match="Which gateway"):
        find_caller(None, None, StaticToken("t"), NOTHING)


def test_the_stored_login_knows_its_gateway(home):
    log_in(home, "default", "https://one.example/")
    url, tokens = find_caller(None, None, None, NOTHING)
    assert (url, tokens.credential().token) == ("https://one.example", "of-default")


def test_arguments_go_before_the_environment(home):
    log_in(home, "mine", "https://one.example")
    environment = Environment(token="from-the-environment", profile="other")
    assert find_caller(None, "mine", None, environment)[1].credential().token == "of-mine"
    assert find_caller("https://x.example/", None, None, environment)[1].credential().token == "from-the-environment"


def test_the_environment_names_the_profile(home):
    log_in(home, "mine", "https://one.example")
    assert find_caller(None, None, None, Environment(profile="mine"))[1].credential().token == "of-mine"


def test_an_empty_variable_is_none_and_a_token_is_not_shown():
    read = Environment.read({"GATEWAY_URL": "", "GATEWAY_TOKEN": "secret"})
    assert read.url is None
    assert "secret" not in repr(read)


def test_a_login_goes_before_what_the_platform_brings(home, monkeypatch):
    github = Environment(url="https://one.example", github_url="https://a.example", github_token="t")
    _, job = find_caller(None, None, None, github)
    assert isinstance(job, WorkloadToken)
    log_in(home, "default", "https://one.example")
    assert find_caller(None, None, None, github)[1].credential().token == "of-default"


def test_a_profile_that_is_asked_for_is_not_replaced_by_a_job():
    github = Environment(url="https://one.example", github_url="https://a.example", github_token="t")
    with pytest.raises(Unauthenticated, match="profile mine"):
        find_caller(None, "mine", None, github)


def test_what_somebody_set_for_a_job_goes_before_a_login(home):
    log_in(home, "default", "https://one.example")
    told = Environment(url="https://one.example", workload_token="t", dpop=True)
    assert isinstance(find_caller(None, None, None, told)[1], WorkloadToken)
