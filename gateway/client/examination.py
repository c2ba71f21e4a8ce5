"""Examines this client: the gateway that it talks to, its clock, its login."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from gateway.client.caller import find_caller
from gateway.client.environment import Environment
from gateway.client.gateway import Gateway
from gateway.client.tls import tls_context
from gateway.client.tokens import StaticToken
from gateway.clock import Clock, utc_now
from gateway.errors import GatewayError, GatewayUnavailable, InvalidConfiguration

MAX_SKEW = timedelta(seconds=30)
"""Tokens, links and proofs are refused by clocks that differ by more."""
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    fault: str = ""
    """Empty if all is well."""
    hint: str = ""


def examine(clock: Clock = utc_now) -> Iterator[Finding]:
    """Yield a finding for each check; without a gateway that answers there is nothing more to examine."""
    url = ""

    def which() -> None:
        nonlocal url
        url = _url()

    yield (found := _ask("gateway URL", which))
    if found.fault:
        return
    try:
        ready = httpx.get(f"{url}/readyz", timeout=_TIMEOUT_SECONDS, verify=tls_context())
    except httpx.HTTPError as error:
        lost = GatewayUnavailable(f"No gateway answers at {url}.", hint="Is it running, and is the URL right?")
        yield Finding("connection", f"{lost.message} ({type(error).__name__})", lost.hint)
        return
    yield Finding("connection")
    yield from _parts(ready)
    yield _clock_finding(ready, clock())
    yield _ask("login", _whoami)


def _ask(name: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except GatewayError as error:
        return Finding(name, error.message, error.hint)
    return Finding(name)


def _url() -> str:
    """Return where the gateway is, whether or not anybody is logged in."""
    environment = Environment.read()
    if environment.url:
        # A token that is never sent: the login is a check of its own.
        return find_caller(environment.url, None, StaticToken(""), environment)[0]
    try:
        return find_caller(None, None, None, environment)[0]
    except GatewayError as error:
        raise InvalidConfiguration("No gateway is set.", hint="Log in with 'gateway login URL'.") from error


def _whoami() -> None:
    with Gateway() as gateway:
        gateway.whoami()


def _parts(ready: httpx.Response) -> Iterator[Finding]:
    try:
        report = ready.json()
    except ValueError:
        report = None
    if not isinstance(report, dict) or not report:
        yield Finding("gateway", "It answers as no gateway does.", "Is the URL right? A proxy may answer instead.")
        return
    for part, state in report.items():
        fault = "" if state == "ok" else str(state)
        yield Finding(f"gateway's {part}", fault, "Tell whoever runs it: 'gateway doctor --config FILE' says more.")


def _clock_finding(ready: httpx.Response, now: datetime) -> Finding:
    try:
        theirs = parsedate_to_datetime(ready.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return Finding("clock", "The gateway's answer has no date.", "A proxy in between may remove it.")
    skew = abs(now - theirs)
    if skew <= MAX_SKEW:
        return Finding("clock")
    return Finding("clock", f"It differs from the gateway's by {skew.total_seconds():.0f} s.", "Set it, with NTP.")
