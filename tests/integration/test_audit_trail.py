"""What the journal holds of what people did: every decision, allowed or refused, on disk before its answer leaves."""

import contextlib
import json
import os
import signal

import pytest

from gateway import errors
from gateway.audit.chain import examine
from gateway.audit.segments import read_lines

pytestmark = pytest.mark.integration


def test_every_answer_finds_its_decision_in_the_journal(api, sdk, shared, name, folder):
    sdk("ada").push(folder({"a": b"a"}), name)
    asked = [
        ("ivan", "GET", f"/v1/{name}", {}, "Denied"),
        ("ivan", "GET", f"/v1/{name}/versions/v1/files", {}, "Denied"),
        ("ivan", "POST", f"/v1/{name}/versions/v1/links", {"json": {"paths": ["a"]}}, "Denied"),
        ("ivan", "POST", f"/v1/{name}/pushes", {"json": {}}, "Denied"),
        ("ivan", "PUT", f"/v1/{name}/tags/prod", {"json": {"version": "v1"}}, "Denied"),
        ("ada", "POST", f"/v1/{name}/keys:rotate", {}, "Denied"),
        ("ada", "GET", "/v1/audit/events", {}, "Denied"),
        ("ada", "GET", "/v1/resources", {}, "Allowed"),
        ("ada", "GET", f"/v1/{name}", {}, "Allowed"),
        ("ada", "GET", f"/v1/{name}/versions/v1/files", {}, "Allowed"),
        ("ada", "POST", f"/v1/{name}/versions/v1/links", {"json": {"paths": ["a"]}}, "Allowed"),
        ("ada", "POST", f"/v1/{name}/versions/v9/links", {"json": {"paths": ["a"]}}, "Allowed"),
        ("ada", "POST", f"/v1/{name}/pushes", {"json": {}}, "Allowed"),
        ("grace", "PUT", f"/v1/{name}/tags/prod", {"json": {"version": "v1"}}, "Allowed"),
        ("grace", "POST", f"/v1/{name}/keys:rotate", {}, "Allowed"),
        ("otto", "GET", "/v1/audit/events", {}, "Allowed"),
    ]
    for who, method, path, options, decision in asked:
        answer = api(who).request(method, path, **options)
        assert (answer.status_code == 403) is (decision == "Denied"), (path, answer.text)
        told = shared.told_of(answer.headers["x-request-id"])
        assert {(entry.who, entry.decision) for entry in told} == {(who, decision)}, path
        outcome = {entry.status for entry in told} - {"Intended", "Other"}
        assert outcome, (path, told)


def test_each_path_of_a_request_for_links_has_its_event(api, ada, shared, name, folder):
    ada.push(folder({"a": b"a", "b": b"b"}), name)
    answer = api("ada").post(f"/v1/{name}/versions/v1/links", json={"paths": ["a", "b"]})
    told = shared.told_of(answer.headers["x-request-id"])
    assert sorted(entry.resource for entry in told) == [f"{name}/v1/a", f"{name}/v1/b"]


def test_a_stream_links_use_and_its_refusal_are_told(ada, web, shared, name, folder):
    ada.push(folder({"a": b"abcdef"}), name)
    url = ada.link(f"{name}/a").url
    used = shared.told_of(web.get(url).headers["x-request-id"])
    assert {(entry.who, entry.resource, entry.decision) for entry in used} == {("ada", f"{name}/v1/a", "Allowed")}
    refused = shared.told_of(web.get(url[:-4] + "AAAA").headers["x-request-id"])
    assert [(entry.decision, entry.status) for entry in refused] == [("Denied", "Failure (link-refused)")]


def test_a_refused_login_is_told_without_what_the_token_said(web, shared):
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSIsInN1YiI6Im1hbGxvcnkifQ.",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }
    answer = web.post(f"{shared.url}/oauth2/token", data=form)
    assert answer.status_code == 400
    (told,) = shared.told_of(answer.headers["x-request-id"])
    assert (told.who, told.status.startswith("Failure")) == ("unknown", True)
    assert b"mallory" not in b"".join(read_lines(shared.journal))


def test_the_journal_and_the_log_hold_no_secret(ada, api, web, shared, token_for, name, folder):
    ada.push(folder({"a": b"a"}), name)
    direct = api("ada").post(f"/v1/{name}/versions/v1/links", json={"paths": ["a"]}).json()["links"][0]
    stream = ada.link(f"{name}/a").url
    web.get(stream)
    kept = b"".join(read_lines(shared.journal)) + (shared.folder / "gateway.log").read_bytes()
    signature = direct["url"].rpartition("X-Amz-Signature=")[2].partition("&")[0]
    for secret in (token_for(shared, "ada"), direct["object_key"], signature, stream.rpartition("/")[2]):
        assert len(secret) > 20
        assert secret.encode() not in kept


def test_what_was_answered_is_in_the_journal_of_a_killed_gateway(start_gateway, sdk, api, name, folder):
    served = start_gateway()
    sdk("ada", served).push(folder({"a": b"a"}), name)
    http = api("ada", served)
    for _ in range(5):
        answer = http.post(f"/v1/{name}/versions/v1/links", json={"paths": ["a"]})
        os.kill(served.process.pid, signal.SIGKILL)
        assert answer.status_code == 200
        served.process.stop()
        told = told_by_killed(served, answer.headers["x-request-id"])
        assert told, "an answer left before its event was on disk"
        served = start_gateway.again(served)
    assert served.records()


def told_by_killed(served, request_id):
    # A kill may leave half a line behind the last whole one; nobody was answered for it.
    with contextlib.suppress(errors.JournalBroken):
        served.records()
    lines = [line for line in read_lines(served.journal) if line.endswith(b"\n")]
    assert examine(lines).finding is None
    return [line for line in lines if request_id.encode() in line]


def test_otto_verifies_the_journal_from_the_command_line_and_ada_may_not(cli, ada, shared, name, folder):
    ada.push(folder({"a": b"a"}), name)
    refused = cli("ada", "audit", "verify", "--json")
    assert (refused.returncode, json.loads(refused.stderr)["code"]) == (30, "access-denied")
    done = cli("otto", "audit", "verify", "--list", "--json")
    report = json.loads(done.stdout)
    assert report["whole"]
    assert any(event["resource"] == name and event["who"] == "ada" for event in report["events"])
    offline = cli("otto", "audit", "verify", "--journal", shared.journal, "--json")
    assert json.loads(offline.stdout)["whole"]
