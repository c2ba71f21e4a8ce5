"""How the gateway logs in to Vault: by AppRole, Kubernetes or JWT, or with a token that somebody else keeps in a file.

Files are read at each login, and one that changed is a reason for a new one: who replaces a secret restarts nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import hvac
from hvac.exceptions import InvalidRequest

from gateway.errors import InvalidConfiguration, VaultUnavailable
from gateway.model import fingerprint
from gateway.settings import VaultSettings

Stamp = tuple[tuple[int, int, int], ...]
Connect = Callable[[str], hvac.Client]
"""Returns a client of Vault with this token; an empty one is none."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a login, or a renewal of it, gives."""

    token: str = field(repr=False)
    lease: timedelta | None
    """How long the token is good; None where nobody says."""
    is_renewable: bool
    fingerprint: str
    """Of the secret that was shown for it."""

    @classmethod
    def of(cls, answer: dict[str, Any], fingerprint: str) -> "Granted":
        """Read Vault's `auth` block. A lease of 0 never ends (Vault, "Tokens": root tokens)."""
        auth = answer["auth"]
        seconds = auth["lease_duration"]
        lease = timedelta(seconds=seconds) if seconds else None
        return cls(auth["client_token"], lease, auth["renewable"], fingerprint)


class Login(Protocol):
    """A way to log in."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What it reads."""

    def __call__(self, connect: Connect) -> Granted:
        """Log in. Raises hvac's errors, and `VaultUnavailable` where a file cannot be read."""


class Exchange:
    """Shows what files hold at an auth method's `login`, and gets a token for it. The last file is the secret one."""

    def __init__(self, mount: str, *, said: dict[str, str], shown: dict[str, Path]) -> None:
        self._path = f"auth/{mount}/login"
        self._said = said
        self._shown = shown

    @property
    def files(self) -> tuple[Path, ...]:
        """What it reads."""
        return tuple(self._shown.values())

    def __call__(self, connect: Connect) -> Granted:
        """Log in."""
        shown = {name: _read_secret(file) for name, file in self._shown.items()}
        answer = connect("").write_data(self._path, data=self._said | shown)
        return Granted.of(answer, fingerprint(list(shown.values())[-1]))


class TokenFile:
    """Takes the token in a file as it is, and finds out how long it is good by renewing it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def files(self) -> tuple[Path, ...]:
        """What it reads."""
        return (self._file,)

    def __call__(self, connect: Connect) -> Granted:
        """Log in."""
        token = _read_secret(self._file)
        try:
            return Granted.of(connect(token).auth.token.renew_self(), fingerprint(token))
        except InvalidRequest:
            # A batch token, or another that may not be renewed: good until it is refused.
            return Granted(token, None, is_renewable=False, fingerprint=fingerprint(token))


def login_of(settings: VaultSettings) -> Login:
    """Return the way to log in that the settings name.

    Raises:
        InvalidConfiguration: a file that it needs is not named.
    """
    mount = settings.auth_mount or settings.auth
    match settings:
        case VaultSettings(auth="approle", role_id_file=Path() as role_id, secret_id_file=Path() as secret_id):
            return Exchange(mount, said={}, shown={"role_id": role_id, "secret_id": secret_id})
        case VaultSettings(auth="kubernetes" | "jwt", role=str() as role, jwt_file=Path() as jwt):
            return Exchange(mount, said={"role": role}, shown={"jwt": jwt})
        case VaultSettings(auth="token", token_file=Path() as token):
            return TokenFile(token)
    raise InvalidConfiguration(f"vault.auth = {settings.auth!r} lacks a file.")


def stamp_of(login: Login) -> Stamp:
    """Return what changes with any of the login's files, without reading one. A file that is away has no part in it."""
    found = [file.stat() for file in login.files if file.exists()]
    return tuple((status.st_ino, status.st_mtime_ns, status.st_size) for status in found)


def _read_secret(file: Path) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise VaultUnavailable(f"{file}, of the gateway's login to Vault, cannot be read.") from error
    if not secret:
        raise VaultUnavailable(f"{file}, of the gateway's login to Vault, is empty.")
    return secret
