"""Credentials are read again when their files change, and never half of each."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import InvalidConfiguration
from gateway.settings import StorageSettings
from gateway.storage.credentials import WatchedCredentials

START = datetime.now(UTC)


class Clock:
    """Seconds from the start of these tests; files change in the present, and so have rested from one second on."""

    seconds = 0.0

    def __call__(self):
        return START + timedelta(seconds=self.seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "id").write_text("old-id\n")
    (tmp_path / "secret").write_text("old-secret\n")

    def make(**more):
        return StorageSettings(
            endpoint="http://s3.example",
            bucket="data",
            access_key_id_file=tmp_path / "id",
            secret_access_key_file=tmp_path / "secret",
            **more,
        )

    return make


@pytest.fixture
def replace(tmp_path):
    def put(name, text):
        (tmp_path / ".new").write_text(text)
        (tmp_path / ".new").replace(tmp_path / name)

    return put


def pair(credentials):
    return credentials.access_key_id, credentials.secret_access_key


def test_a_file_that_is_not_there_is_refused_at_start(storage, tmp_path, clock):
    (tmp_path / "id").unlink()
    with pytest.raises(InvalidConfiguration):
        WatchedCredentials(storage(), clock)


@pytest.mark.parametrize("text", ["tomorrow", "2030-01-01T00:00:00", ""])
def test_an_end_that_is_no_time_is_refused(storage, tmp_path, text, clock):
    (tmp_path / "end").write_text(text)
    with pytest.raises(InvalidConfiguration):
        WatchedCredentials(storage(expires_at_file=tmp_path / "end"), clock)


def test_new_files_that_have_rested_are_taken_up_at_once(storage, replace, clock):
    watched = WatchedCredentials(storage(), clock)
    replace("secret", "new-secret")
    replace("id", "new-id")
    clock.seconds = 3600
    assert pair(watched()) == ("new-id", "new-secret")


def test_files_that_have_just_changed_are_not_read_yet(storage, replace, clock):
    clock.seconds = -3600  # so that nothing has rested
    watched = WatchedCredentials(storage(), clock)
    replace("secret", "new-secret")
    clock.seconds += 1
    assert pair(watched()) == ("old-id", "old-secret")
    replace("id", "new-id")
    clock.seconds += 1
    assert pair(watched()) == ("old-id", "old-secret")
    clock.seconds += 1
    assert pair(watched()) == ("new-id", "new-secret")


def test_files_are_looked_at_once_a_second_at_most(storage, replace, clock):
    clock.seconds = 3600
    watched = WatchedCredentials(storage(), clock)
    replace("id", "new-id")
    for part in (0.2, 0.4, 0.6, 0.8, 0.99):
        clock.seconds = 3600 + part
        assert watched().access_key_id == "old-id"


def test_a_file_that_is_gone_for_a_while_changes_nothing(storage, tmp_path, replace, clock):
    watched = WatchedCredentials(storage(), clock)
    (tmp_path / "id").unlink()
    for clock.seconds in (3601, 3602, 3603):
        assert pair(watched()) == ("old-id", "old-secret")
    replace("id", "new-id")
    clock.seconds = 3604
    assert pair(watched()) == ("new-id", "old-secret")


def test_temporary_credentials_have_their_token_and_their_end(storage, tmp_path, clock):
    (tmp_path / "token").write_text("t\n")
    (tmp_path / "end").write_text("2030-01-31T12:00:00Z\n")
    settings = storage(session_token_file=tmp_path / "token", expires_at_file=tmp_path / "end")
    found = WatchedCredentials(settings, clock)()
    assert (found.session_token, found.expires_at) == ("t", datetime(2030, 1, 31, 12, tzinfo=UTC))
