"""`gateway keys` against a gateway that answers as ours does: what is shown, confirmed, and told by the exit code."""

import json

import pytest

from gateway.cli import main

NAME = "dataset/vision/digits"
AT = "2026-01-01T00:00:00+00:00"
JOB = {
    "epoch": 2,
    "state": "settling",
    "requested_by": "people/grace",
    "requested_at": AT,
    "bytes_per_second": None,
    "objects": 4,
    "bytes": 4000,
    "moved": 4,
    "moved_bytes": 4000,
    "failed": 0,
    "failure": "",
    "moved_at": AT,
}
SHRED = {
    "state": "requested",
    "reason": "request 4711",
    "requested_by": "people/grace",
    "requested_at": AT,
    "approved_by": None,
    "due_at": None,
    "done_at": None,
    "proof": {},
}
STATUS = {
    "due_at": "2026-04-01T00:00:00+00:00",
    "kek_versions": [{"version": 2, "made_at": AT, "data_keys": 2, "objects": 5, "bytes": 5000}],
    "epochs": [
        {"epoch": 1, "kek_version": 2, "made_at": AT, "objects": 4, "bytes": 4000, "open_pushes": 0},
        {"epoch": 2, "kek_version": 2, "made_at": AT, "objects": None, "bytes": None, "open_pushes": 1},
    ],
    "reencryption": JOB,
    "shred": SHRED,
}


@pytest.fixture
def answers(sim):
    """What the gateway answers, by method and the end of the path; what it was asked is in `asked`."""
    given = {}

    def answer(authorization, method, path, query, body):
        del authorization
        given.setdefault("asked", []).append((method, path.removeprefix(f"/v1/{NAME}"), body))
        found = given[method, path.removeprefix(f"/v1/{NAME}")]
        return found(body) if callable(found) else found

    sim.server.api.answer = answer
    return given


@pytest.fixture
def run(sim, answers, monkeypatch, capsys):
    monkeypatch.setenv("GATEWAY_URL", sim.url)
    monkeypatch.setenv("GATEWAY_TOKEN", "made-up-token")

    def command(*words):
        code = main(["keys", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


class TestRefusals:
    @pytest.mark.parametrize("words", [("rotate",), ("rotate", NAME, "--all")])
    def test_rotate_takes_one_or_all(self, run, answers, words):
        assert run(*words)[0] == 10
        assert "asked" not in answers

    def test_a_shredding_that_nobody_can_confirm_is_not_asked_for(self, run, answers):
        code, _, err = run("shred", NAME, "--reason", "x")
        assert (code, f"--confirm {NAME}" in err, "asked" in answers) == (10, True, False)

    def test_another_name_confirms_nothing(self, run, answers):
        assert run("shred", NAME, "--reason", "x", "--confirm", "dataset/vision/other")[0] == 10
        assert "asked" not in answers

    def test_objects_that_were_not_moved_are_no_success(self, run, answers):
        answers["POST", "/reencryption"] = JOB | {"state": "failed", "failed": 1, "failure": "p/0: damaged"}
        code, _, err = run("reencrypt", NAME)
        assert (code, "p/0: damaged" in err) == (60, True)

    def test_keys_that_were_not_rotated_are_no_success_and_named(self, run, answers):
        one = {"name": NAME, "kek_version": 0, "rewrapped": 0, "rotated": False, "failure": "vault-unavailable"}
        answers["POST", "/v1/keys:rotate-due"] = {"resources": [one], "next": None}
        code, out, err = run("rotate", "--all")
        assert (code, out) == (70, "1 keys looked at, 0 rotated, 1 failed.\n")
        assert f"{NAME}: vault-unavailable" in err


def test_status_shows_what_hangs_on_what_and_what_is_due(run, answers):
    answers["GET", "/keys"] = STATUS
    code, out, _ = run("status", NAME)
    assert code == 0
    assert "version 2\t" in out
    assert "\t2\t5\t5000\n" in out
    assert "version 2\t1\t-\t-\n" in out
    assert "due on 2026-04-01 (overdue)" in out
    assert "old copies stay" in out
    assert "A shredding is requested." in out
    assert json.loads(run("status", NAME, "--json")[1])["epochs"][0]["objects"] == 4


def test_all_are_rotated_page_by_page_and_a_loss_says_where_to_go_on(run, answers):
    def page(body):
        if body["after"] is None:
            one = {"name": "dataset/vision/a", "kek_version": 2, "rewrapped": 1, "rotated": True, "failure": ""}
            return {"resources": [one], "next": "dataset/vision/a"}
        return {"resources": "nonsense", "next": None}

    answers["POST", "/v1/keys:rotate-due"] = page
    code, _, err = run("rotate", "--all", "--older-than", "1d", "--rate", "1000")
    assert (code, "--after dataset/vision/a" in err) == (76, True)
    assert [body["older_than_seconds"] for _, _, body in answers["asked"]] == [86_400, 86_400]


def test_epochs_and_retirement_say_what_they_came_to(run, answers):
    answers["POST", "/keys:new-epoch"] = {"epoch": 3}
    answers["POST", "/keys:retire"] = {"oldest_kek_version": 2}
    assert run("new-epoch", NAME)[1] == f"{NAME}: new objects are encrypted under epoch 3.\n"
    assert run("retire", NAME)[1] == f"{NAME}: versions before 2 open nothing any more.\n"
    assert json.loads(run("new-epoch", NAME, "--json")[1])["epoch"] == 3
    assert json.loads(run("retire", NAME, "--json")[1])["oldest_kek_version"] == 2


def test_a_reencryption_is_followed_until_all_is_moved_and_can_be_stopped(run, answers, monkeypatch):
    monkeypatch.setattr("gateway.cli.keys._FOLLOW_EVERY_SECONDS", 0)
    left = [JOB | {"state": "running", "moved": 1}, JOB | {"state": "running", "moved": 3}, JOB]
    answers["GET", "/keys"] = STATUS | {"reencryption": None}
    answers["POST", "/reencryption"] = left.pop(0)
    answers["GET", "/reencryption"] = lambda _: left.pop(0) if left else JOB
    code, out, _ = run("reencrypt", NAME, "--follow", "--rate", "1000")
    assert (code, "4 of 4 objects" in out) == (0, True)
    assert ("POST", "/reencryption", {"bytes_per_second": 1000}) in answers["asked"]
    answers["DELETE", "/reencryption"] = None
    answers["GET", "/reencryption"] = JOB | {"state": "stopped"}
    assert "it was stopped" in run("reencrypt", NAME, "--stop")[1]


def test_a_shredding_is_asked_for_approved_undone_and_proved(run, answers):
    answers["POST", "/shred"] = SHRED
    assert f"approve-shred {NAME}" in run("shred", NAME, "--reason", "request 4711", "--confirm", NAME)[1]
    answers["GET", "/shred"] = SHRED
    approved = SHRED | {"state": "approved", "approved_by": "people/otto", "due_at": AT}
    answers["POST", "/shred:approve"] = approved
    assert "Approved by people/otto, due at 2026-01-01 00:00 UTC." in run("approve-shred", NAME, "--confirm", NAME)[1]
    answers["DELETE", "/shred"] = None
    assert run("undo-shred", NAME)[1] == f"{NAME} is not shredded.\n"
    answers["GET", "/shred"] = approved | {"state": "done", "done_at": AT, "proof": {"vault-key": "not-found"}}
    assert run("shred-status", NAME)[1].endswith("vault-key: not-found\n")
    assert json.loads(run("shred-status", NAME, "--json")[1])["proof"] == {"vault-key": "not-found"}
