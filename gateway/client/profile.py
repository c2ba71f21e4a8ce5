"""Keeps logins between commands: one file a profile, readable by its owner alone; secrets in the system's keyring."""

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.client.keyring import Keyring, KeyringUnusable, system_keyring
from gateway.errors import InvalidName, LocalFileError
from gateway.model import check_name

if sys.platform != "win32":  # there, two commands that renew at once may end a login early
    import fcntl

DEFAULT_PROFILE = "default"
_FORMAT = 2
_OWNER_ONLY_FILE = 0o600
_OWNER_ONLY_FOLDER = 0o700
_SECRETS = ("token", "proof_key", "refresh_token")


@dataclass(frozen=True, slots=True)
class Login:
    """Who is logged in where."""

    url: str
    """The gateway."""
    issuer: str
    """The alias of the issuer, as the gateway calls it."""
    expires_at: datetime
    token: str = field(repr=False)
    proof_key: str = field(default="", repr=False)
    """The private key that the token is bound to, in PEM (RFC 9449); empty for a bearer token."""
    device: bool = False
    """Whether it was by a code on another device, and is again when a stronger login is needed."""
    subject: str = ""
    """Whom the provider vouched for: it stays the same when the login is renewed or made stronger."""
    provider: str = ""
    """The provider that gave the refresh token, and the only one that may see it."""
    refresh_token: str = field(default="", repr=False)
    """What renews the login without the person; empty where the provider gives none."""
    renew_at: datetime | None = None
    """When to renew it."""


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

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the profiles that somebody logged in to, in their order."""
        for file in sorted(self._folder.glob("*.json")):
            try:
                yield check_name(file.stem, "profile")
            except InvalidName:
                continue  # a draft, or none of ours

    def find(self, profile: str) -> Login | None:
        """Return the profile's login, ended or not; None if there is none.

        Raises:
            InvalidName: a profile cannot have this name.
            LocalFileError: it cannot be read.
        """
        file = self._file(profile)
        try:
            kept = _object(file.read_text(encoding="utf-8"))
            if kept.pop("in_keyring", False):
                kept |= _object(self._keyring().get(str(file)))
            return _read(kept)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, KeyringUnusable) as error:
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
            _replace(file, json.dumps(_hide(_write(login), str(file))))
        except OSError as error:
            raise LocalFileError(f"The login cannot be kept in {file}: {error.strerror}.") from error

    @contextmanager
    def locked(self, profile: str) -> Iterator[None]:
        """Keep other processes from renewing the same login at the same time: a refresh token is good once.

        Raises:
            LocalFileError: the folder cannot be written.
        """
        file = self._file(profile).with_suffix(".lock")
        try:
            opened = os.open(file, os.O_WRONLY | os.O_CREAT, _OWNER_ONLY_FILE)
        except OSError as error:
            raise LocalFileError(f"The lock {file} cannot be opened: {error.strerror}.") from error
        try:
            if sys.platform != "win32":
                fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)

    def remove(self, profile: str) -> bool:
        """Forget the profile's login, and tell whether there was one.

        Raises:
            InvalidName: a profile cannot have this name.
            LocalFileError: it cannot be removed.
        """
        file = self._file(profile)
        try:
            hidden = b'"in_keyring"' in file.read_bytes()
            file.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise LocalFileError(f"The login in {file} cannot be removed: {error.strerror}.") from error
        if hidden and (keyring := system_keyring()):
            keyring.remove(str(file))
        return True

    def _file(self, profile: str) -> Path:
        return self._folder / f"{check_name(profile, 'profile')}.json"

    def _keyring(self) -> Keyring:
        found = system_keyring()
        if found is None:
            raise KeyringUnusable
        return found


def _hide(kept: dict[str, object], name: str) -> dict[str, object]:
    """Return what goes into the file: all of it, or all but the secrets, once the keyring has taken them."""
    keyring = system_keyring()
    if keyring is None:
        return kept
    try:
        keyring.put(name, json.dumps({one: kept[one] for one in _SECRETS}))
    except KeyringUnusable:
        return kept
    return {one: value for one, value in kept.items() if one not in _SECRETS} | {"in_keyring": True}


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
        "proof_key": login.proof_key,
        "device": login.device,
        "subject": login.subject,
        "provider": login.provider,
        "refresh_token": login.refresh_token,
        "renew_at": login.renew_at.isoformat() if login.renew_at else None,
    }


def _object(text: str) -> dict[str, object]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- the file is wrong, not the caller's type
    return value


def _read(kept: Mapping[str, object]) -> Login:
    if kept["format"] != _FORMAT:
        raise ValueError("another format")
    return Login(
        url=str(kept["url"]),
        issuer=str(kept["issuer"]),
        expires_at=_moment(kept["expires_at"]),
        token=str(kept["token"]),
        proof_key=str(kept["proof_key"]),
        device=kept["device"] is True,
        subject=str(kept["subject"]),
        provider=str(kept["provider"]),
        refresh_token=str(kept["refresh_token"]),
        renew_at=_moment(kept["renew_at"]) if kept["renew_at"] else None,
    )


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment
