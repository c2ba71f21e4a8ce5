"""`gateway login`, `whoami` and `logout` as a person or a job runs them, against a real gateway on the real stack."""

import json

import pytest

from gateway.devstack import browser

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def url(serve_gateway):
    """A running gateway, one for all: these tests only log in."""
    return serve_gateway({})


@pytest.fixture
def person(stack):
    """Returns a person's name and password, as the headless browser takes them."""

    def find(name):
        (found,) = (user for user in stack.users if user.name == name)
        return {"name": found.name, "password_file": found.password_file}

    return find


def log_in(process, person):
    (address,) = json.loads(process.stdout.readline()).values()
    browser.log_in(address, **person)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


def test_without_a_login_whoami_says_how_to_log_in(run):
    code, lines, err = run("whoami", GATEWAY_URL="http://127.0.0.1:9")
    assert (code, lines) == (20, [])
    assert "gateway login" in json.loads(err)["hint"]


def test_a_gateway_that_is_away_is_named(run, free_port):
    code, _, err = run("login", f"http://127.0.0.1:{free_port}")
    assert code == 76
    assert str(free_port) in json.loads(err)["detail"]


def test_an_unknown_issuer_is_refused_with_those_there_are(run, url):
    code, _, err = run("login", url, "--issuer", "nobody")
    assert (code, "people" in json.loads(err)["detail"]) == (24, True)


def test_a_token_that_the_gateway_does_not_trust_is_refused_with_a_reason(run, url, tmp_path):
    token = tmp_path / "token"
    token.write_text("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSJ9.")
    code, _, err = run("login", url, "--workload-token-file", token)
    problem = json.loads(err)
    assert (code, problem["code"]) == (21, "unknown-issuer")
    assert "a.example" in problem["detail"]
    assert problem["hint"]


def test_a_token_of_another_gateway_is_refused_with_its_name(gateway, run, person, url, serve_gateway, tmp_path):
    other = serve_gateway({})
    log_in(gateway("login", other, "--json"), person("ada"))
    token = json.loads((tmp_path / "home" / "profiles" / "default.json").read_text())["token"]
    code, _, err = run("whoami", GATEWAY_URL=url, GATEWAY_TOKEN=token)
    problem = json.loads(err)
    assert (code, problem["code"]) == (21, "unknown-issuer")
    assert other in problem["detail"]
    assert token.split(".")[1] not in err


def test_a_login_that_nobody_answers_ends_in_time(run, url):
    code, lines, err = run("login", url, "--timeout", 1)
    assert code == 24
    assert list(lines[0]) == ["authorize_url"]
    assert "within 1 s" in json.loads(err)["detail"]


def test_ctrl_c_ends_a_login_cleanly(gateway, url):
    process = gateway("login", url, "--no-browser")
    assert process.stdout.readline().startswith("http")
    process.send_signal(2)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_person_logs_in_asks_who_they_are_and_logs_out(gateway, run, person, url, tmp_path):
    shown = log_in(gateway("login", url, "--json"), person("ada"))
    assert {"url": url, "profile": "default", "issuer": "people", "name": "ada", "groups": ["ml-research"]} == {
        name: shown[name] for name in ("url", "profile", "issuer", "name", "groups")
    }
    kept = tmp_path / "home" / "profiles" / "default.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    code, (me,), _ = run("whoami")
    assert (code, me["name"], me["kind"]) == (0, "ada", "user")
    assert run("logout")[:2] == (0, [{"profile": "default", "removed": True}])
    assert not kept.exists()
    assert run("whoami")[0] == 20


def test_profiles_keep_two_people_apart(gateway, run, person, url):
    for name in ("ada", "ivan"):
        log_in(gateway("login", url, "--json", "--profile", name), person(name))
    assert [run("whoami", "--profile", name)[1][0]["name"] for name in ("ada", "ivan")] == ["ada", "ivan"]
    assert run("whoami", GATEWAY_PROFILE="ivan")[1][0]["name"] == "ivan"
    (listed,) = run("profiles", GATEWAY_PROFILE="ivan")[1]
    assert [(one["profile"], one["chosen"], one["ended"]) for one in listed] == [
        ("ada", False, False),
        ("ivan", True, False),
    ]


def test_a_job_logs_in_with_its_token(run, url, stack):
    code, (shown,), err = run("login", url, "--workload-token-file", stack.workload_token_file)
    assert code == 0, err
    assert (shown["name"], shown["groups"]) == ("trainer", ["training-jobs"])


def test_a_job_needs_no_login_where_its_token_is_named_in_the_environment(run, url, stack):
    code, lines, err = run("whoami", GATEWAY_URL=url, GATEWAY_WORKLOAD_TOKEN_FILE=str(stack.workload_token_file))
    assert code == 0, err
    assert (lines[0]["name"], lines[0]["kind"]) == ("trainer", "workload")
