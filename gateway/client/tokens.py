"""Where the client's gateway tokens come from, and how they stay fresh."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.client.demand import Demand
from gateway.client.dpop import ProofKey
from gateway.client.profile import Login, ProfileStore
from gateway.clock import Clock, utc_now
from gateway.errors import LocalFileError, TokenExpired, Unauthenticated, Unavailable

_AHEAD = 0.2
"""The part of its life that a token has left when the next one is got. It covers a gateway that restarts."""
_AHEAD_AT_LEAST = timedelta(seconds=30)
"""Links end with the token that they were asked for with, so there must be some time left in it."""
_TRY_AGAIN_AFTER = timedelta(seconds=10)
"""After a renewal that failed. The old token serves meanwhile, and requests do not wait for what is away."""
_ANOTHER_LOGIN = "Log in again with what is asked for; this token cannot be made stronger."


@dataclass(frozen=True, slots=True)
class Credential:
    """What goes with a request to the gateway."""

    token: str = field(repr=False)
    key: ProofKey | None = field(default=None, repr=False)
    """What the token is bound to (RFC 9449); none for a bearer token."""


class TokenSource(ABC):
    """Gives a gateway token that is good now. Threads may share it."""

    @abstractmethod
    def credential(self) -> Credential:
        """Return the token, with its key where it has one.

        Raises:
            Unauthenticated: there is none, and none can be had without a person.
        """

    def step_up(self, refused: Credential, demand: Demand) -> Credential:
        """Return a stronger credential than the one that the gateway refused.

        Raises:
            StepUpRequired: there is none to be had here; the hint says how to get one.
        """
        del refused
        raise demand.refusal(_ANOTHER_LOGIN)


@dataclass(frozen=True, slots=True)
class GatewayToken:
    """A gateway token as the exchange gave it."""

    text: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime

    @property
    def renew_at(self) -> datetime:
        """When to get the next one: well ahead of the end, and for tokens of seconds after half their life."""
        life = self.expires_at - self.issued_at
        return self.expires_at - max(life * _AHEAD, min(life / 2, _AHEAD_AT_LEAST))


Exchange = Callable[[str, ProofKey | None], GatewayToken]
"""Gives a gateway token for a workload token, bound to the key if there is one."""
Renew = Callable[[Login], Login]
"""Gives the same login for longer, without the person."""
LogInAgain = Callable[[Login, Demand], Login]
"""Asks the person for a stronger login at the same gateway and issuer."""


class StaticToken(TokenSource):
    """A token that somebody else got (`GATEWAY_TOKEN`), with the key that it is bound to."""

    def __init__(self, text: str, *, key: ProofKey | None = None) -> None:
        self._credential = Credential(text, key)

    def credential(self) -> Credential:
        """Return the token as it was given."""
        return self._credential


class StoredToken(TokenSource):
    """The token that `gateway login` left in a profile, renewed ahead of its end where the provider lets us.

    It is read again once it ended: a new login takes hold.
    """

    def __init__(
        self,
        store: ProfileStore,
        profile: str,
        *,
        renew: Renew | None = None,
        log_in_again: LogInAgain | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._profile = profile
        self._renew = renew
        self._log_in_again = log_in_again
        self._clock = clock
        self._lock = threading.Lock()
        self._try_after = datetime.min.replace(tzinfo=UTC)
        self._login: Login | None = None
        self._credential = Credential("")
        self._url = ""
        self._take(store.find(profile))

    def credential(self) -> Credential:
        """Return the token, renewed by one thread for all.

        Raises:
            Unauthenticated: nobody is logged in.
            TokenExpired: the login has ended.
            Unavailable: it has, and what could renew it is away.
        """
        with self._lock:
            if self._due() is not None and self._renew and self._clock() >= self._try_after:
                self._renew_with(self._renew)
            self._present()
            return self._credential

    def step_up(self, refused: Credential, demand: Demand) -> Credential:
        """Return a stronger credential: of a login in another thread or process since, else of one asked for now.

        Raises:
            StepUpRequired: no person can be asked; the hint is the command to type.
            Unauthenticated: the person did not log in.
        """
        with self._lock:
            self._take(self._store.find(self._profile))
            login = self._present()
            if login.token == refused.token:
                if self._log_in_again is None:
                    raise demand.refusal(f"Log in again: {demand.command('--profile', self._profile, *_way(login))}")
                self._keep(self._log_in_again(login, demand))
            return self._credential

    def _due(self) -> Login | None:
        """Return the login, if it is time to renew it."""
        login = self._login
        if login is None or not login.refresh_token or login.renew_at is None or self._clock() < login.renew_at:
            return None
        return login

    def _renew_with(self, renew: Renew) -> None:
        try:
            with self._store.locked(self._profile):
                # Another process may have been first.
                self._take(self._store.find(self._profile))
                if login := self._due():
                    self._keep(renew(login))
        except (Unavailable, Unauthenticated, LocalFileError):
            if self._login is None or self._clock() >= self._login.expires_at:
                raise
            self._try_after = self._clock() + _TRY_AGAIN_AFTER

    def _present(self) -> Login:
        if self._login is None or self._clock() >= self._login.expires_at:
            self._take(self._store.find(self._profile))
        if self._login is None:
            raise Unauthenticated(f"Nobody is logged in (profile {self._profile}).", hint="Log in: gateway login URL")
        if self._clock() >= self._login.expires_at:
            raise TokenExpired(
                f"The login at {self._login.url} ended at {self._login.expires_at:%Y-%m-%d %H:%M} UTC.",
                hint="Log in again: gateway login",
            )
        return self._login

    def _keep(self, login: Login) -> None:
        self._store.save(self._profile, login)
        self._take(login)

    def _take(self, login: Login | None) -> None:
        if login is not None and login.url != (self._url or login.url):
            login = None  # the profile is another gateway's by now, and its token is for nobody else
        if login is not None and (self._login is None or login.proof_key != self._login.proof_key):
            # One key object for as long as the login lasts: it remembers the server's nonces.
            self._credential = Credential("", ProofKey.load(login.proof_key) if login.proof_key else None)
        if login is not None:
            self._credential, self._url = replace(self._credential, token=login.token), login.url
        self._login = login


def _way(login: Login) -> Iterator[str]:
    """Yield the options that log in where and how it was done before."""
    yield from ("--issuer", login.issuer)
    if login.device:
        yield "--device"
    if login.proof_key:
        yield "--dpop"


class WorkloadToken(TokenSource):
    """Tokens for a job, which exchanges the one that its platform keeps fresh."""

    def __init__(
        self, read: Callable[[], str], exchange: Exchange, *, key: ProofKey | None = None, clock: Clock = utc_now
    ) -> None:
        self._read = read
        self._exchange = exchange
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._try_after = datetime.min.replace(tzinfo=UTC)
        self._current: GatewayToken | None = None

    def credential(self) -> Credential:
        """Return the token, renewed ahead of its end by one thread for all.

        Raises:
            LocalFileError: the workload token cannot be read.
            Unauthenticated: the gateway refuses it.
            Unavailable: there is no token, and the gateway, the issuer or the platform is away.
        """
        with self._lock:
            if self._current is None or self._clock() >= max(self._current.renew_at, self._try_after):
                self._current = self._renew(self._current)
            return Credential(self._current.text, self._key)

    def _renew(self, old: GatewayToken | None) -> GatewayToken:
        try:
            # Read afresh each time: Kubernetes and others replace the token under way.
            return self._exchange(self._read(), self._key)
        except Unavailable:
            if old is None or self._clock() >= old.expires_at - timedelta(seconds=1):
                raise
            self._try_after = min(self._clock() + _TRY_AGAIN_AFTER, old.expires_at - timedelta(seconds=1))
            return old
