import json
from datetime import timedelta

import pytest

from gateway.cli import main
from gateway.client.profile import Login, ProfileStore
from gateway.clock import utc_now


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    monkeypatch.delenv("GATEWAY_PROFILE", raising=False)
    return ProfileStore(tmp_path)


@pytest.fixture
def two(store):
    """A login that lasts, and one that ended."""
    store.save("default", Login("https://one.example", "people", utc_now() + timedelta(hours=1), "secret"))
    store.save("staging", Login("https://two.example", "jobs", utc_now() - timedelta(hours=1), "secret", "secret-key"))


def test_a_profile_that_cannot_be_read_is_named(store, two, tmp_path, capsys):
    (tmp_path / "profiles" / "staging.json").write_text("{")
    assert main(["profiles"]) == 81
    assert "staging.json" in capsys.readouterr().err


def test_without_a_login_there_is_nothing_to_list(store, capsys):
    assert main(["profiles", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_profiles_are_listed_without_their_secrets(two, capsys, monkeypatch):
    monkeypatch.setenv("GATEWAY_PROFILE", "staging")
    assert main(["profiles", "--json"]) == 0
    out = capsys.readouterr().out
    assert "secret" not in out
    assert [(one["profile"], one["url"], one["bound"], one["chosen"], one["ended"]) for one in json.loads(out)] == [
        ("default", "https://one.example", False, False, False),
        ("staging", "https://two.example", True, True, True),
    ]


def test_people_see_which_login_is_theirs_now(two, capsys):
    assert main(["profiles"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[:4] for row in rows] == [
        ["*", "default", "https://one.example", "people"],
        ["", "staging", "https://two.example", "jobs"],
    ]
    assert rows[0][4].startswith("until ")
    assert rows[1][4] == "ended"


@pytest.mark.parametrize("options", [["--max-age", "-1"], ["--timeout", "0"]])
def test_an_option_that_makes_no_sense_is_refused_before_anything_is_asked(store, options):
    assert main(["login", "https://gateway.example", *options]) == 2
