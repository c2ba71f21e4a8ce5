"""Jobs log in with what their platform gives them, and stay logged in for as long as they run."""

import json
import threading
import time

import pytest

from gateway.client import Gateway

pytestmark = pytest.mark.integration

AUDIENCE = "ml-data"
LIFETIME_SECONDS = 5
EVERYBODY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "JobsOfThisTest",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "gateway:*",
            "Resource": "dataset/jobs/*",
        }
    ],
}


@pytest.fixture(scope="module")
def url(platforms, serve_gateway, tmp_path_factory):
    """A gateway that trusts the platforms, and whose tokens live for seconds."""
    policies = tmp_path_factory.mktemp("policies")
    (policies / "jobs.json").write_text(json.dumps(EVERYBODY))
    more = {"issuers": platforms.as_issuers(AUDIENCE), "tokens": {"lifetime": LIFETIME_SECONDS}}
    return serve_gateway(more, policies=policies)


def test_a_job_that_github_does_not_know_gets_nothing(run, url, platforms):
    code, _, err = run("login", url, "--workload", **platforms.variables(bearer="somebody-else"))
    assert code == 24
    assert "id-token: write" in json.loads(err)["hint"]


def test_a_token_for_another_audience_is_refused_with_both_names(run, url, platforms):
    code, _, err = run("whoami", GATEWAY_URL=url, **platforms.variables())
    problem = json.loads(err)
    assert (code, problem["code"]) == (23, "wrong-audience")
    assert AUDIENCE in problem["detail"]
    assert url in problem["detail"]


def test_a_job_without_a_platform_is_told_what_to_set(run, url):
    code, _, err = run("login", url, "--workload")
    assert code == 16
    assert "GATEWAY_WORKLOAD_TOKEN_FILE" in json.loads(err)["hint"]


def test_a_job_on_github_actions_logs_in(run, url, platforms):
    code, (shown,), err = run("login", url, "--workload", GATEWAY_WORKLOAD_AUDIENCE=AUDIENCE, **platforms.variables())
    assert code == 0, err
    assert (shown["name"], shown["groups"]) == ("github:acme/train", ["github:acme"])


def test_a_job_on_github_actions_needs_no_login(run, url, platforms):
    code, (me,), err = run("whoami", GATEWAY_URL=url, GATEWAY_WORKLOAD_AUDIENCE=AUDIENCE, **platforms.variables())
    assert code == 0, err
    assert (me["issuer"], me["kind"]) == ("github", "workload")


def test_a_pod_logs_in_with_its_projected_token(run, url, platforms, tmp_path):
    token = tmp_path / "gateway-token"
    token.write_text(platforms.kubernetes(AUDIENCE))
    code, (me,), err = run("whoami", GATEWAY_URL=url, GATEWAY_WORKLOAD_TOKEN_FILE=str(token))
    assert code == 0, err
    assert (me["issuer"], me["name"]) == ("cluster", "system:serviceaccount:training:trainer")
    assert me["groups"] == ["namespace:training"]


def test_a_job_whose_token_stands_in_the_environment_logs_in(run, url, platforms):
    code, (me,), err = run("whoami", GATEWAY_URL=url, GATEWAY_WORKLOAD_TOKEN=platforms.github(AUDIENCE))
    assert code == 0, err
    assert me["name"] == "github:acme/train"


def test_a_jobs_token_may_be_bound_to_a_key(run, url, platforms):
    token = platforms.github(AUDIENCE)
    code, (me,), err = run("whoami", GATEWAY_URL=url, GATEWAY_WORKLOAD_TOKEN=token, GATEWAY_DPOP="1")
    assert code == 0, err
    assert me["kind"] == "workload"


class Slow:
    """A disk or a network that makes each file take its time."""

    def __init__(self, seconds):
        self._seconds = seconds

    def expect(self, files, size):
        pass

    def moved(self, size):
        pass

    def finished(self, path):
        time.sleep(self._seconds)


def test_a_long_pull_outlives_its_tokens_and_all_threads_share_their_renewal(monkeypatch, url, platforms, tmp_path):
    for name, value in (platforms.variables() | {"GATEWAY_WORKLOAD_AUDIENCE": AUDIENCE}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    source = tmp_path / "source"
    source.mkdir()
    for number in range(1100):  # more than one request has links for
        (source / f"{number:04}").write_bytes(b"%d" % number)
    with Gateway(url) as gateway:
        gateway.push(source, "dataset/jobs/long")
        asked_before, began, done = platforms.asked, time.monotonic(), threading.Event()

        def keep_asking():
            while not done.wait(0.05):
                gateway.whoami()

        others = [threading.Thread(target=keep_asking) for _ in range(4)]
        for other in others:
            other.start()
        gateway.pull("dataset/jobs/long", tmp_path / "target", threads=2, progress=Slow(0.012))
        done.set()
        for other in others:
            other.join()
        took = time.monotonic() - began
    renewals = platforms.asked - asked_before
    assert took > LIFETIME_SECONDS, took
    assert 2 <= renewals <= took / (LIFETIME_SECONDS / 2) + 1
    assert sorted(file.name for file in (tmp_path / "target").iterdir()) == sorted(f.name for f in source.iterdir())
