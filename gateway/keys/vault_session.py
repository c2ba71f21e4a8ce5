"""A login to Vault that stays alive, and what Vault's answers mean. Safe to share between threads."""

import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized, VaultError, VaultNotInitialized
from requests.adapters import HTTPAdapter

from gateway.clock import Clock
from gateway.errors import InvalidConfiguration, VaultUnavailable
from gateway.keys.vault_login import Granted, login_of, stamp_of
from gateway.settings import VaultSettings

log = logging.getLogger(__name__)

CONNECTIONS = 40
"""How many requests Vault is asked at once."""
_RENEW_AFTER = 0.5
"""The part of a lease after which it is renewed; the other half is for trying again."""
_LONGEST_WAIT = timedelta(minutes=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
_TRY_AGAIN = "Try again; see if Vault is up, and can be reached."

_AWAY = {
    412: "has not caught up with the other nodes yet",
    429: "asks us to slow down",
    472: "is a standby of another cluster",
    473: "is a standby that answers nothing",
    500: "failed",  # so a node answers while the cluster elects another leader
    502: "cannot be reached by the proxy in front of it",
    503: "is sealed",
    504: "does not answer the proxy in front of it",
}
"""Status codes that say nothing of the request (Vault's API documentation, and `sys/health`'s)."""

_TOO_OLD = "less than the minimum encryption key version"
"""What transit says, with a 500, of a version that may no longer sign: it is about the request, and Vault is well."""

_T = TypeVar("_T")


class Session:
    """Vault as the gateway sees it, logged in.

    Raises:
        InvalidConfiguration: the CA's file holds no certificate.
    """

    def __init__(self, settings: VaultSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._where = f"Vault at {settings.address}"
        self._http = _http_of(settings, self._where)
        self._login = login_of(settings)
        self._stamp = stamp_of(self._login)
        self._turn = threading.Lock()
        self._client: hvac.Client | None = None
        self._granted: Granted | None = None
        self._lease_end = self._renew_at = _NEVER

    def call(self, request: Callable[[hvac.Client], _T]) -> _T:
        """Make one request, logged in. Raises `VaultUnavailable`, and hvac's `InvalidRequest` and `InvalidPath`."""
        with self._foreign_errors():
            client = self._logged_in()
            try:
                return request(client)
            except Forbidden:
                # Revoked, or gone with a restored Vault, before its lease was over: worth one new login.
                return request(self._log_in(instead_of=client))

    def follow(self) -> str:
        """Log in with what the login's files hold now, unless we are; return the fingerprint of what we showed last.

        Raises `VaultUnavailable`.
        """
        with self._foreign_errors():
            self._logged_in()
        return self._granted.fingerprint if self._granted else ""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _logged_in(self) -> hvac.Client:
        client, now = self._client, self._clock()
        if client is None or now >= self._lease_end:
            return self._log_in(instead_of=client)
        if self._stamp != stamp_of(self._login):
            self._quietly(self._log_in_now, client)
        elif now >= self._renew_at:
            self._quietly(self._extend, client)
        return self._client or client

    def _log_in(self, *, instead_of: hvac.Client | None) -> hvac.Client:
        # Bounded, as whoever is before us may wait for Vault as long as this.
        if not self._turn.acquire(timeout=self._settings.timeout.total_seconds()):
            raise VaultUnavailable(f"{self._where} has not answered a login yet.", hint=_TRY_AGAIN)
        try:
            if self._client is not None and self._client is not instead_of:
                return self._client  # another thread has logged in meanwhile
            return self._log_in_now()
        finally:
            self._turn.release()

    def _log_in_now(self) -> hvac.Client:
        # Taken before the files are read: a change while we read them is seen at the next call.
        self._stamp = stamp_of(self._login)
        try:
            granted = self._login(self._connect)
        except (InvalidRequest, InvalidPath, Forbidden, Unauthorized) as error:
            shown = " and ".join(map(str, self._login.files))
            raise VaultUnavailable(
                f"{self._where} refuses the gateway's login by {self._settings.auth}.",
                hint=f"See if {shown} hold what Vault expects; infra/vault/setup makes a new login.",
            ) from error
        client = self._client = self._connect(granted.token)
        self._granted = granted
        self._end_after(granted.lease)
        return client

    def _quietly(self, prolong: Callable[[], object], client: hvac.Client) -> None:
        """Do what may fail while the present login is good. Others go on with it meanwhile."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            if self._client is client:
                prolong()
        except (VaultError, VaultUnavailable, requests.RequestException) as error:
            self._renew_at = self._clock() + (self._lease_end - self._clock()) * _RENEW_AFTER
            log.warning(
                "the login to Vault could not be prolonged, and is used until its end: %s", type(error).__name__
            )
        finally:
            self._turn.release()

    def _extend(self) -> None:
        """Renew the lease, or log in anew where it cannot grow much more: near its last end (`token_max_ttl`)."""
        client, before = self._client, self._granted
        if client is not None and before is not None and before.is_renewable:
            renewed = Granted.of(client.auth.token.renew_self(), before.fingerprint)
            if renewed.lease is None or before.lease is None or renewed.lease >= before.lease * _RENEW_AFTER:
                self._end_after(renewed.lease)
                return
        self._log_in_now()

    def _end_after(self, lease: timedelta | None) -> None:
        now = self._clock()
        self._lease_end = now + lease if lease is not None else _NEVER
        self._renew_at = now + lease * _RENEW_AFTER if lease is not None else _NEVER

    def _connect(self, token: str) -> hvac.Client:
        return hvac.Client(
            url=self._settings.address,
            # For None, hvac would look for either in the environment, and for a token in the home directory as well.
            token=token,
            cert=(),
            timeout=self._settings.timeout.total_seconds(),
            namespace=self._settings.namespace,
            session=self._http,  # and with it whom it trusts: hvac's own `verify` is ignored beside a session
        )

    @contextmanager
    def _foreign_errors(self) -> Iterator[None]:
        try:
            yield
        except (InvalidRequest, InvalidPath):
            raise  # says something about a key; its caller knows what
        except (Forbidden, Unauthorized) as error:
            hint = "Run infra/vault/setup again."
            raise VaultUnavailable(f"{self._where} refuses the gateway.", hint=hint) from error
        except VaultNotInitialized as error:
            hint = "An operator must initialise and unseal it."
            raise VaultUnavailable(f"{self._where} is new, and so is sealed.", hint=hint) from error
        except VaultError as error:
            raise VaultUnavailable(f"{self._where} failed: {type(error).__name__}.", hint=_TRY_AGAIN) from error
        except requests.TooManyRedirects as error:
            hint = "Name the active node, or a load balancer that finds it, in vault.address."
            raise VaultUnavailable(f"{self._where} sends us elsewhere, where we do not go.", hint=hint) from error
        except requests.exceptions.SSLError as error:
            raise self._untrusted(error) from error
        except requests.RequestException as error:
            raise VaultUnavailable(
                f"{self._where} does not answer: {type(error).__name__}.", hint=_TRY_AGAIN
            ) from error

    def _untrusted(self, error: requests.exceptions.SSLError) -> VaultUnavailable:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        reason = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else "no TLS connection"
        known = self._settings.ca_file or "this system's authorities"
        return VaultUnavailable(
            f"{self._where} cannot be told from a stranger by {known}: {reason}.",
            hint="Name the PEM file of the authority that signed its certificate in vault.ca_file.",
        )


def _http_of(settings: VaultSettings, where: str) -> requests.Session:
    http = requests.Session()
    http.trust_env = False  # proxies and CA bundles come from our settings, not from the environment
    http.max_redirects = 0  # a redirect could carry the token elsewhere
    if settings.ca_file:
        _check_authority(settings.ca_file)
        http.verify = str(settings.ca_file)
    for scheme in ("http://", "https://"):
        http.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS, pool_block=True))

    def refuse_absence(response: requests.Response, **_: object) -> None:
        """Name what says nothing of the request, before hvac reads it as an error of the request."""
        if response.status_code not in _AWAY:
            return
        if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR and _TOO_OLD in response.text:
            raise InvalidRequest(_TOO_OLD, errors=[_TOO_OLD])
        response.close()
        raise VaultUnavailable(
            f"{where} {_AWAY[response.status_code]} (HTTP {response.status_code}).",
            hint="An operator must unseal it."
            if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            else _TRY_AGAIN,
            retry_after=_waiting_time(response),
        )

    http.hooks["response"].append(refuse_absence)
    return http


def _check_authority(file: Path) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # which ssl.SSLError is
        reason = "holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise InvalidConfiguration(
            f"vault.ca_file {file} cannot be used: {reason}.",
            hint="It is the PEM file of the authority that signed Vault's certificate.",
        ) from error


def _waiting_time(response: requests.Response) -> timedelta | None:
    """Return what `Retry-After` says, where it says seconds (RFC 9110 10.2.3), a minute at most."""
    text = response.headers.get("Retry-After", "")
    return min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT) if text.isascii() and text.isdigit() else None
