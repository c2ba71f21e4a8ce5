"""The real `keyring` package, with a backend that keeps its secrets in memory."""

import json
from datetime import timedelta

import keyring
import keyring.backend
import keyring.errors
import pytest

from gateway.client.keyring import KeyringUnusable, system_keyring
from gateway.client.profile import Login, ProfileStore
from gateway.errors import LocalFileError


class Memory(keyring.backend.KeyringBackend):
    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}
        self.failure = None

    def _fail(self):
        if self.failure:
            raise self.failure

    def get_password(self, service, username):
        self._fail()
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self._fail()
        self.kept[service, username] = password

    def delete_password(self, service, username):
        self._fail()
        if (service, username) not in self.kept:
            raise keyring.errors.PasswordDeleteError("no such password")
        del self.kept[service, username]


@pytest.fixture
def memory():
    before = keyring.get_keyring()
    backend = Memory()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture
def store(tmp_path):
    return ProfileStore(tmp_path / "home")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "home" / "profiles" / "default.json"


@pytest.fixture
def login(clock):
    return Login(
        url="https://g",
        issuer="people",
        expires_at=clock() + timedelta(hours=1),
        token="secret-token",
        proof_key="secret-key",
        device=True,
        refresh_token="secret-refresh",
        renew_at=clock(),
    )


def test_a_system_without_a_keyring_has_none(memory):
    memory.priority = 0
    assert system_keyring() is None


def test_without_the_package_there_is_no_keyring(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    assert system_keyring() is None


@pytest.mark.parametrize("failure", [keyring.errors.KeyringLocked(), OSError("D-Bus"), RuntimeError()])
def test_a_keyring_that_refuses_leaves_the_login_in_its_file(memory, store, login, file, failure):
    memory.failure = failure
    store.save("default", login)
    assert file.stat().st_mode & 0o777 == 0o600
    assert store.find("default") == login


def test_a_keyring_that_lost_the_secret_asks_for_a_new_login(memory, store, login):
    store.save("default", login)
    memory.kept.clear()
    with pytest.raises(LocalFileError) as caught:
        store.find("default")
    assert "gateway login" in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_what_another_program_put_there_is_no_login(memory, store, login, text):
    store.save("default", login)
    memory.kept = dict.fromkeys(memory.kept, text)
    with pytest.raises(LocalFileError):
        store.find("default")


def test_a_keyring_that_went_away_asks_for_a_new_login(memory, store, login):
    store.save("default", login)
    memory.priority = 0
    with pytest.raises(LocalFileError):
        store.find("default")


def test_secrets_are_in_the_keyring_alone(memory, store, login, file):
    store.save("default", login)
    assert store.find("default") == login
    assert "secret" not in file.read_text()
    ((service, name),) = memory.kept
    assert (service, name) == ("ml-data-gateway", str(file))
    assert set(json.loads(memory.kept[service, name]).values()) == {"secret-token", "secret-key", "secret-refresh"}


def test_logging_out_clears_the_keyring(memory, store, login):
    store.save("default", login)
    assert store.remove("default")
    assert memory.kept == {}


def test_logging_out_twice_is_fine(memory, store, login):
    store.save("default", login)
    memory.kept.clear()
    assert store.remove("default")
    assert not store.remove("default")


def test_profiles_share_no_secret(memory, store, login):
    store.save("one", login)
    store.save("two", login)
    store.remove("one")
    assert store.find("two") == login


def test_the_keyring_says_when_it_has_nothing(memory):
    with pytest.raises(KeyringUnusable):
        system_keyring().get("nothing")
