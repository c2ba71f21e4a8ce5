"""Where the client's gateway tokens come from, and how they stay fresh."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from gateway.client.profile import ProfileStore
from gateway.clock import Clock, utc_now
from gateway.errors import LocalFileError, TokenExpired, Unauthenticated, Unavailable

MAX_WORKLOAD_TOKEN_BYTES = 16 * 1024
_RENEW_AT = 0.8
"""The part of a token's life after which a new one is got. What is left of it covers a gateway that restarts."""


class TokenSource(Protocol):
    """Gives a gateway token that is good now. Threads may share it."""

    def token(self) -> str:
        """Return the token.

        Raises:
            Unauthenticated: there is none, and none can be had without a person.
        """


@dataclass(frozen=True, slots=True)
class GatewayToken:
    """A gateway token as the exchange gave it."""

    text: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime

    @property
    def renew_at(self) -> datetime:
        """When to get the next one."""
        return self.issued_at + (self.expires_at - self.issued_at) * _RENEW_AT


Exchange = Callable[[str], GatewayToken]
"""Gives a gateway token for a workload token."""


class StaticToken:
    """A token that somebody else got (`GATEWAY_TOKEN`)."""

    def __init__(self, text: str) -> None:
        self._text = text

    def token(self) -> str:
        """Return the token as it was given."""
        return self._text


class StoredToken:
    """The token that `gateway login` left in a profile. It is read again once it ended: a new login takes hold."""

    def __init__(self, store: ProfileStore, profile: str, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._profile = profile
        self._clock = clock
        self._login = store.find(profile)

    def token(self) -> str:
        """Return the token.

        Raises:
            Unauthenticated: nobody is logged in.
            TokenExpired: the login has ended.
        """
        if self._login is None or self._clock() >= self._login.expires_at:
            self._login = self._store.find(self._profile)
        if self._login is None:
            raise Unauthenticated(f"Nobody is logged in (profile {self._profile}).", hint="Log in: gateway login URL")
        if self._clock() >= self._login.expires_at:
            raise TokenExpired(
                f"The login at {self._login.url} ended at {self._login.expires_at:%Y-%m-%d %H:%M} UTC.",
                hint="Log in again: gateway login",
            )
        return self._login.token


class WorkloadToken:
    """Tokens for a job, which exchanges the one that its platform keeps fresh in a file."""

    def __init__(self, file: Path, exchange: Exchange, *, clock: Clock = utc_now) -> None:
        self._file = file
        self._exchange = exchange
        self._clock = clock
        self._lock = threading.Lock()
        self._current: GatewayToken | None = None

    def token(self) -> str:
        """Return the token, renewed ahead of its end by one thread for all.

        Raises:
            LocalFileError: the workload token cannot be read.
            Unauthenticated: the gateway refuses it.
            Unavailable: there is no token, and the gateway or the issuer is away.
        """
        with self._lock:
            if self._current is None or self._clock() >= self._current.renew_at:
                self._current = self._renew(self._current)
            return self._current.text

    def _renew(self, old: GatewayToken | None) -> GatewayToken:
        try:
            # Read afresh each time: Kubernetes and others replace the file's content under way.
            return self._exchange(read_workload_token(self._file))
        except Unavailable:
            if old is None or self._clock() >= old.expires_at - timedelta(seconds=1):
                raise
            return old


def read_workload_token(file: Path) -> str:
    """Return the token in a file, without the white space around it.

    Raises:
        LocalFileError: it cannot be read, is empty, or is too long for a token.
    """
    try:
        with file.open(encoding="ascii") as opened:
            text = opened.read(MAX_WORKLOAD_TOKEN_BYTES + 1)
    except (OSError, ValueError) as error:
        raise LocalFileError(f"The workload token {file} cannot be read: {type(error).__name__}.") from error
    if not text.strip() or len(text) > MAX_WORKLOAD_TOKEN_BYTES:
        raise LocalFileError(f"The workload token {file} is empty, or longer than {MAX_WORKLOAD_TOKEN_BYTES:,} bytes.")
    return text.strip()
