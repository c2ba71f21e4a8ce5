"""A stronger login where policy asks for one: by itself at a terminal, with the command to type elsewhere."""

import contextlib
import json
import os
import pty

import pytest

from gateway.client import Gateway
from gateway.errors import StepUpRequired, UnknownResource

pytestmark = pytest.mark.integration


def statement(sid, resource, condition):
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Group": "ml-research"},
        "Action": "gateway:*",
        "Resource": f"dataset/{resource}/*",
        "Condition": condition,
    }


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        statement("SecondFactor", "strong", {"StringEquals": {"gateway:acr": "mfa"}}),
        statement("Key", "strongest", {"StringEquals": {"gateway:acr": "phr"}}),
        statement("RecentLogin", "recent", {"NumericLessThan": {"gateway:authage": "600"}}),
    ],
}


@pytest.fixture(scope="module")
def url(provider, serve_gateway, tmp_path_factory):
    """A gateway whose policy asks for a second factor, and for a recent login."""
    policies = tmp_path_factory.mktemp("policies")
    (policies / "strong.json").write_text(json.dumps(POLICY))
    return serve_gateway({"issuers": [provider.as_issuer()]}, policies=policies)


def at_terminal(gateway, *arguments, act):
    """Run a command on a terminal of its own; `act` does what a person does with an address that is shown there.

    Returns the exit code and all that was said.
    """
    ours, theirs = pty.openpty()
    process = gateway(*arguments, stdin=theirs, stderr=theirs, BROWSER="true")
    os.close(theirs)
    said = []
    # A terminal that nobody has open any more ends with an error.
    with os.fdopen(ours, encoding="utf-8", errors="replace") as screen, contextlib.suppress(OSError):
        for line in screen:
            said.append(line)
            if line.startswith("http"):
                act(line.strip())
    out, _ = process.communicate(timeout=60)
    return process.returncode, "".join(said) + out


class Person:
    """Does what they are told, and counts it."""

    def __init__(self, browser):
        self._browser = browser
        self.logins = 0

    def open(self, url):
        self.logins += 1
        self._browser("ada").log_in(url)

    def tell(self, code):
        self.logins += 1
        self._browser("ada").enter_code(code.verification_uri_complete)


@pytest.fixture
def person(browser):
    return Person(browser)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The SDK of this process reads what the command line wrote."""
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))


def test_where_nobody_can_be_asked_the_command_to_type_is_said_and_works(logged_in, run, url):
    logged_in(url, "--issuer", "certified")
    code, lines, err = run("ls", "dataset/strong/digits")
    problem = json.loads(err)
    assert (code, lines, problem["code"]) == (26, [], "insufficient-user-authentication")
    assert "mfa" in problem["detail"]
    command = "gateway login --profile default --issuer certified --acr-values mfa"
    assert problem["hint"] == f"Log in again: {command}"
    logged_in(*command.split()[2:])
    assert run("ls", "dataset/strong/digits")[0] == 41


def test_a_login_that_the_provider_cannot_give_is_asked_for_once(logged_in, url, person, home):
    logged_in(url, "--issuer", "certified")
    with Gateway(person=person) as gateway, pytest.raises(StepUpRequired, match="phr"):
        gateway.describe("dataset/strongest/digits")
    assert person.logins == 1


@pytest.mark.parametrize("resource", ["dataset/strong/digits", "dataset/recent/digits"], ids=["acr", "max_age"])
def test_the_command_line_logs_in_again_by_itself(logged_in, gateway, url, person, resource):
    logged_in(url, "--issuer", "certified")
    code, said = at_terminal(gateway, "ls", resource, act=person.open)
    assert code == 41, said
    assert person.logins == 1
    code, said = at_terminal(gateway, "ls", resource, act=person.open)
    assert (code, person.logins) == (41, 1)


@pytest.mark.parametrize("way", [[], ["--device", "--dpop"]], ids=["browser", "device-bound"])
def test_the_sdk_logs_in_again_by_itself_in_the_way_of_before(logged_in, url, person, home, way, tmp_path):
    logged_in(url, "--issuer", "certified", *way)
    with Gateway(person=person) as gateway:
        for _ in range(2):
            with pytest.raises(UnknownResource):
                gateway.describe("dataset/strong/digits")
    assert person.logins == 1
    kept = json.loads((tmp_path / "home" / "profiles" / "default.json").read_text())
    assert (kept["device"], bool(kept["proof_key"])) == (bool(way), bool(way))


def test_an_issuer_that_needs_a_second_factor_gets_it_at_the_login(serve_gateway, provider, gateway, browser):
    """The provider gives it when it is asked; the gateway's refusal of the first token says that it must be."""
    url = serve_gateway({"issuers": [provider.as_issuer() | {"required_acr": ["mfa"]}]})
    process = gateway("login", url, "--issuer", "certified", "--json")
    for _ in range(2):
        browser("ada").log_in(json.loads(process.stdout.readline())["authorize_url"])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["name"] == "ada"
