"""Logins at a certified provider, as people do them: in the browser, with a code, bound to a key."""

import json
import re
import time

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def url(provider, serve_gateway):
    """A gateway that trusts the provider, one for all: these tests only log in."""
    return serve_gateway({"issuers": [provider.as_issuer()]})


def test_a_device_login_that_the_person_refuses_is_none(gateway, browser, url, run):
    process = gateway("login", url, "--issuer", "certified", "--device", "--json")
    shown = json.loads(process.stdout.readline())
    browser("ada").enter_code(shown["verification_uri_complete"], decision="abort")
    _, err = process.communicate(timeout=60)
    code, problem = process.returncode, json.loads(err)
    assert (code, problem["code"]) == (24, "login-failed")
    assert "refused" in problem["detail"]
    assert run("whoami")[0] == 20


def test_a_device_code_that_nobody_enters_ends_in_time(run, url):
    code, lines, err = run("login", url, "--issuer", "certified", "--device", "--timeout", 6)
    assert code == 24
    assert list(lines[0])[:2] == ["user_code", "verification_uri"]
    assert "not entered in time" in json.loads(err)["detail"]


def test_a_person_logs_in_at_the_browser(logged_in, run, url):
    assert logged_in(url, "--issuer", "certified")["groups"] == ["ml-research"]
    assert run("whoami")[1][0]["issuer"] == "certified"


def test_a_person_logs_in_with_a_code_on_another_device(logged_in, run, url):
    shown = logged_in(url, "--issuer", "certified", "--device", name="ivan")
    assert (shown["name"], shown["groups"]) == ("ivan", ["interns"])
    assert run("whoami")[1][0]["name"] == "ivan"


def test_the_code_is_shown_plainly(gateway, browser, url):
    process = gateway("login", url, "--issuer", "certified", "--device")
    shown = [process.stderr.readline().strip() for _ in range(9)]
    browser("ada").enter_code(shown[8].split()[-1])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Logged in" in out
    assert shown[2].endswith("/device")
    assert re.fullmatch(r"[A-Z]{4}-[A-Z]{4}", shown[6])


@pytest.mark.parametrize("way", [[], ["--device"]], ids=["browser", "device"])
def test_a_login_is_bound_to_a_key_that_stays_here(logged_in, run, url, way, tmp_path):
    shown = logged_in(url, "--issuer", "certified", "--dpop", *way)
    assert shown["bound"]
    kept = tmp_path / "home" / "profiles" / "default.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    login = json.loads(kept.read_text())
    assert "PRIVATE KEY" in login["proof_key"]
    assert run("whoami")[0] == 0
    # The token alone, as a thief would have it.
    code, _, err = run("whoami", GATEWAY_URL=url, GATEWAY_TOKEN=login["token"])
    assert (code, json.loads(err)["code"]) == (28, "invalid-dpop-proof")


def test_a_login_outlives_its_token_where_the_provider_renews_it(serve_gateway, provider, logged_in, run, tmp_path):
    url = serve_gateway({"issuers": [provider.as_issuer()], "tokens": {"lifetime": 4}})
    logged_in(url, "--issuer", "certified", "--dpop")
    kept = tmp_path / "home" / "profiles" / "default.json"
    first = json.loads(kept.read_text())
    time.sleep(4)
    assert run("whoami")[0] == 0
    second = json.loads(kept.read_text())
    assert second["token"] != first["token"]
    assert second["refresh_token"]
    assert second["proof_key"] == first["proof_key"]
