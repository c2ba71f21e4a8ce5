"""Who we are to S3, by files that may be replaced while we run: a new signer needs no restart.

Files are looked at once a second at most, and read when they have rested for a second: who replaces an id and a secret
replaces two files, and nobody should sign with one of each.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.clock import Clock
from gateway.errors import InvalidConfiguration
from gateway.ports import StorageCredentials
from gateway.settings import StorageSettings

REST = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Stamp = tuple[tuple[int, int, int], ...]


class WatchedCredentials:
    """Returns the credentials in force when it is called. Safe to share between threads.

    Args:
        storage: The settings that name the files.
        clock: Tells how long the files have rested.

    Raises:
        InvalidConfiguration: a file cannot be read, or the end of the credentials is no time.
    """

    def __init__(self, storage: StorageSettings, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._stamp = self._seen = _stamp_of(storage)
        self._current = read_credentials(storage)
        self._looked_at = clock()

    def __call__(self) -> StorageCredentials:
        """Return the credentials in force; those of before where the new ones cannot be read yet."""
        now = self._clock()
        if abs(now - self._looked_at) >= REST:
            self._looked_at = now
            self._look(now)
        return self._current

    def _look(self, now: datetime) -> None:
        try:
            stamp = _stamp_of(self._storage)
            # The second look is for file systems whose clock is ahead of ours.
            if stamp != self._stamp and (_rested(stamp, now) or stamp == self._seen):
                self._current = read_credentials(self._storage)
                self._stamp = stamp
            self._seen = stamp
        except InvalidConfiguration:
            return  # a file is being replaced: look again


def read_credentials(storage: StorageSettings) -> StorageCredentials:
    """Return what the files hold at this moment.

    Raises:
        InvalidConfiguration: a file cannot be read, or the end of the credentials is no time.
    """
    token, end = storage.session_token_file, storage.expires_at_file
    return StorageCredentials(
        _text(storage.access_key_id_file),
        _text(storage.secret_access_key_file),
        _text(token) if token else None,
        _time(_text(end), end) if end else None,
    )


def _files(storage: StorageSettings) -> list[Path]:
    named = (
        storage.access_key_id_file,
        storage.secret_access_key_file,
        storage.session_token_file,
        storage.expires_at_file,
    )
    return [file for file in named if file]


def _stamp_of(storage: StorageSettings) -> _Stamp:
    """Return what changes with any file, without reading one."""
    try:
        found = [file.stat() for file in _files(storage)]
    except OSError as error:
        raise InvalidConfiguration(f"The credentials of S3 cannot be read: {error.strerror}.") from error
    return tuple((status.st_ino, status.st_ctime_ns, status.st_size) for status in found)


def _rested(stamp: _Stamp, now: datetime) -> bool:
    changed = max(nanoseconds for _, nanoseconds, _ in stamp)
    return now - _EPOCH - timedelta(microseconds=changed // 1000) >= REST


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise InvalidConfiguration(f"The secret in {file} cannot be read.") from error


def _time(text: str, file: Path) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidConfiguration(f"{file} holds no time.", hint="Write it like 2030-01-31T12:00:00Z.") from error
    if moment.tzinfo is None:
        raise InvalidConfiguration(f"The time in {file} has no zone.", hint="Write it like 2030-01-31T12:00:00Z.")
    return moment
