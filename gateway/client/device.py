"""A login on another device (RFC 8628): we show a code, the person enters it anywhere, and we ask until they have."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from gateway.client.demand import Demand
from gateway.client.dpop import ProofKey
from gateway.client.exchange import LoginIssuer, fetch_object, is_confidential
from gateway.client.id_token import AGAIN, ProviderTokens, read_tokens
from gateway.client.provider import Endpoints, printable, said, unavailable
from gateway.errors import LoginFailed

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER = timedelta(seconds=5)
"""RFC 8628 3.5: by how much `slow_down` lengthens the interval; also the interval where the provider names none."""
_SHORTEST = timedelta(seconds=1)
_LONGEST = timedelta(minutes=1)
_MAX_CODE_CHARS = 64


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the person needs to log in on any device."""

    user_code: str
    verification_uri: str
    verification_uri_complete: str
    """The same with the code in it, as for a QR code; empty where the provider gives none."""
    expires_in: timedelta
    interval: timedelta = field(repr=False)
    device_code: str = field(repr=False)


class DeviceFlow:
    """One login by device code."""

    def __init__(  # noqa: PLR0913 -- the parts of one login, the lesser ones by keyword
        self,
        issuer: LoginIssuer,
        endpoints: Endpoints,
        http: httpx.Client,
        *,
        demand: Demand | None = None,
        key: ProofKey | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._endpoints = endpoints
        self._http = http
        self._demand = demand or Demand()
        self._key = key if endpoints.takes_proofs else None
        self._sleep = sleep
        self._monotonic = monotonic

    def start(self) -> DeviceCode:
        """Return the code to show.

        Raises:
            LoginFailed: the provider knows no device login, or refuses.
            IssuerUnavailable: it does not answer as RFC 8628 3.2 has it.
        """
        if not self._endpoints.device:
            raise LoginFailed(
                f"The provider {self._issuer.issuer} has no login on another device.",
                hint="Log in without --device; --no-browser prints the address.",
            )
        form = {"scope": " ".join(self._issuer.scopes), **self._demand.parameters()}
        try:
            status, answer = self._post(self._endpoints.device, form)
            if status != httpx.codes.OK:
                raise LoginFailed(f"The provider gives no code: {said(answer) or f'status {status}'}.", hint=AGAIN)
            return _read(answer)
        except (httpx.HTTPError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise unavailable(self._issuer, type(error).__name__) from error

    def tokens(self, code: DeviceCode, *, timeout: timedelta) -> ProviderTokens:
        """Return the tokens, once the person has entered the code.

        Raises:
            LoginFailed: they refused, or did not come in time.
            IssuerUnavailable: the provider's answer is none of RFC 8628's.
        """
        interval = code.interval
        deadline = self._monotonic() + min(code.expires_in, timeout).total_seconds()
        while self._monotonic() + interval.total_seconds() <= deadline:
            self._sleep(interval.total_seconds())
            status, answer = self._ask(code)
            if status == httpx.codes.OK:
                return read_tokens(answer, self._issuer)
            interval = min(self._next(answer, interval), _LONGEST)
        raise LoginFailed("The code was not entered in time.", hint=AGAIN)

    def _ask(self, code: DeviceCode) -> tuple[int, dict[str, Any]]:
        try:
            return self._post(self._endpoints.token, {"grant_type": GRANT_TYPE, "device_code": code.device_code})
        except httpx.TransportError:
            # 3.5: who gets no answer asks less often.
            return httpx.codes.REQUEST_TIMEOUT, {"error": "slow_down"}
        except ValueError as error:
            raise unavailable(self._issuer, type(error).__name__) from error

    def _next(self, answer: dict[str, Any], interval: timedelta) -> timedelta:
        """Return how long to wait until the next question."""
        match answer.get("error"):
            case "authorization_pending":
                return interval
            case "slow_down":
                return interval + _SLOWER
            case "expired_token":
                raise LoginFailed("The code has expired.", hint=AGAIN)
            case "access_denied":
                raise LoginFailed("The login was refused on the other device.", hint=AGAIN)
        raise LoginFailed(f"The provider did not log you in: {said(answer) or 'no reason given'}.", hint=AGAIN)

    def _post(self, url: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        return fetch_object(self._http, "POST", url, {"client_id": self._issuer.client_id, **form}, key=self._key)


def _read(answer: dict[str, Any]) -> DeviceCode:
    """Read the device authorization response (RFC 8628 3.2)."""
    where, complete = str(answer["verification_uri"]), str(answer.get("verification_uri_complete") or "")
    user_code = printable(str(answer["user_code"]))
    if not is_confidential(where) or len(user_code) > _MAX_CODE_CHARS:
        raise ValueError("no address to enter a code at")
    return DeviceCode(
        user_code=user_code,
        verification_uri=printable(where),
        verification_uri_complete=printable(complete) if is_confidential(complete) else "",
        expires_in=timedelta(seconds=int(answer["expires_in"])),
        interval=max(timedelta(seconds=int(answer.get("interval") or _SLOWER.seconds)), _SHORTEST),
        device_code=str(answer["device_code"]),
    )
