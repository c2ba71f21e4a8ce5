"""Keeps logins between commands: one file a profile, readable by its owner alone."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.errors import LocalFileError
from gateway.model import check_name

DEFAULT_PROFILE = "default"
_FORMAT = 1
_OWNER_ONLY_FILE = 0o600
_OWNER_ONLY_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Login:
    """Who is logged in where."""

    url: str
    """The gateway."""
    issuer: str
    """The alias of the issuer, as the gateway calls it."""
    expires_at: datetime
    token: str = field(repr=False)


def default_home(variables: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the client's state: `GATEWAY_HOME`, else as the XDG Base Directory Specification has it.

    >>> default_home({"XDG_STATE_HOME": "/home/ada/.state"}).as_posix()
    '/home/ada/.state/gateway'
    """
    if own := variables.get("GATEWAY_HOME"):
        return Path(own)
    state = variables.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "gateway"


class ProfileStore:
    """The profiles in one folder."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "profiles"

    def find(self, profile: str) -> Login | None:
        """Return the profile's login, ended or not; None if there is none.

        Raises:
            InvalidName: a profile cannot have this name.
            LocalFileError: it cannot be read.
        """
        file = self._file(profile)
        try:
            return _read(json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LocalFileError(
                f"The login in {file} cannot be read: {type(error).__name__}.", hint="Log in again: gateway login"
            ) from error

    def save(self, profile: str, login: Login) -> None:
        """Keep the login in place of the profile's earlier one.

        Raises:
            InvalidName: a profile cannot have this name.
            LocalFileError: it cannot be written.
        """
        file = self._file(profile)
        try:
            self._folder.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
            _replace(file, json.dumps(_write(login)))
        except OSError as error:
            raise LocalFileError(f"The login cannot be kept in {file}: {error.strerror}.") from error

    def remove(self, profile: str) -> bool:
        """Forget the profile's login, and tell whether there was one.

        Raises:
            InvalidName: a profile cannot have this name.
            LocalFileError: it cannot be removed.
        """
        file = self._file(profile)
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise LocalFileError(f"The login in {file} cannot be removed: {error.strerror}.") from error
        return True

    def _file(self, profile: str) -> Path:
        return self._folder / f"{check_name(profile, 'profile')}.json"


def _replace(file: Path, text: str) -> None:
    # A new file with its mode from the start, then renamed: nobody else can read it at any moment, nor half of it.
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY_FILE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _write(login: Login) -> dict[str, object]:
    return {
        "format": _FORMAT,
        "url": login.url,
        "issuer": login.issuer,
        "expires_at": login.expires_at.isoformat(),
        "token": login.token,
    }


def _read(kept: Mapping[str, str | int]) -> Login:
    if kept["format"] != _FORMAT:
        raise ValueError("another format")
    url, issuer, token, expires_at = (str(kept[name]) for name in ("url", "issuer", "token", "expires_at"))
    moment = datetime.fromisoformat(expires_at)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return Login(url=url, issuer=issuer, expires_at=moment, token=token)
