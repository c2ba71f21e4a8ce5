import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.client.profile import Login, ProfileStore, default_home
from gateway.errors import InvalidName, LocalFileError


@pytest.fixture
def store(tmp_path):
    return ProfileStore(tmp_path / "home")


@pytest.fixture
def login(clock):
    return Login("https://gateway.example.org", "people", clock() + timedelta(hours=1), "secret-token")


@pytest.mark.parametrize("name", ["", "../default", "a/b", "A", ".hidden", "a" * 64, "a\x00b"])
def test_a_name_that_could_leave_the_folder_is_refused(store, login, name):
    for use in (lambda: store.find(name), lambda: store.save(name, login), lambda: store.remove(name)):
        with pytest.raises(InvalidName, match="profile"):
            use()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 2}', "null"])
def test_a_file_that_is_no_login_is_named_with_the_next_step(store, login, tmp_path, content):
    store.save("default", login)
    file = tmp_path / "home" / "profiles" / "default.json"
    file.write_text(content)
    with pytest.raises(LocalFileError, match=str(file)) as caught:
        store.find("default")
    assert "gateway login" in caught.value.hint


def test_a_time_without_its_zone_is_refused(store, login, tmp_path):
    store.save("default", login)
    file = tmp_path / "home" / "profiles" / "default.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"expires_at": "2030-01-01T00:00:00"}))
    with pytest.raises(LocalFileError):
        store.find("default")


def test_a_folder_that_cannot_be_made_is_named(tmp_path, login):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(LocalFileError, match="home"):
        ProfileStore(tmp_path / "home").save("default", login)


def test_a_login_that_cannot_be_replaced_leaves_no_draft(store, login, tmp_path):
    folder = tmp_path / "home" / "profiles"
    (folder / "default.json" / "in the way").mkdir(parents=True)
    with pytest.raises(LocalFileError):
        store.save("default", login)
    assert [file.name for file in folder.iterdir()] == ["default.json"]
    with pytest.raises(LocalFileError):
        store.find("default")
    with pytest.raises(LocalFileError):
        store.remove("default")


def test_a_login_survives_and_its_owner_alone_may_read_it(store, login, tmp_path):
    store.save("default", login)
    store.save("default", login)
    assert store.find("default") == login
    folder = tmp_path / "home" / "profiles"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [(file.name, file.stat().st_mode & 0o777) for file in folder.iterdir()] == [("default.json", 0o600)]


def test_profiles_are_kept_apart_and_removed_one_by_one(store, login):
    store.save("one", login)
    store.save("two", login)
    assert store.remove("one")
    assert not store.remove("one")
    assert store.find("one") is None
    assert store.find("two") == login


def test_profiles_are_listed_by_name(store, login, tmp_path):
    assert list(store) == []
    for name in ("two", "one"):
        store.save(name, login)
    (tmp_path / "home" / "profiles" / ".one.json.0a1b").touch()
    (tmp_path / "home" / "profiles" / "No Profile.json").touch()
    assert list(store) == ["one", "two"]


def test_a_login_shows_no_token_in_its_repr(login):
    assert "secret-token" not in repr(login)


def test_the_home_follows_the_environment():
    assert default_home({"GATEWAY_HOME": "/g", "XDG_STATE_HOME": "/x"}) == Path("/g")
    assert default_home({"XDG_STATE_HOME": "/x"}) == Path("/x/gateway")
    assert default_home({"XDG_STATE_HOME": ""}) == Path.home() / ".local/state/gateway"


def test_a_lock_keeps_another_process_out_until_it_is_given_back(store, login, tmp_path):
    store.save("default", login)
    script = "import sys; from pathlib import Path; from gateway.client.profile import ProfileStore\n"
    script += "with ProfileStore(Path(sys.argv[1])).locked('default'): print('in', flush=True)"
    with store.locked("default"):
        other = subprocess.Popen([sys.executable, "-c", script, tmp_path / "home"], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=1)
    assert other.communicate(timeout=10)[0] == "in\n"
    assert list(store) == ["default"]


def test_a_lock_that_cannot_be_had_is_named(store):
    with pytest.raises(LocalFileError, match=r"default\.lock"), store.locked("default"):
        pass
