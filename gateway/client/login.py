"""Logs a person in at the gateway through their provider: in the browser, or with a code on another device."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx

from gateway.client.callback import listening
from gateway.client.demand import Demand
from gateway.client.device import DeviceCode, DeviceFlow
from gateway.client.dpop import ProofKey
from gateway.client.exchange import ID_TOKEN, GatewayLogin, LoginIssuer, anonymous_http, choose_issuer
from gateway.client.id_token import ProviderTokens
from gateway.client.profile import Login
from gateway.client.provider import CodeFlow, discover
from gateway.errors import StepUpRequired

DEFAULT_TIMEOUT = timedelta(minutes=5)

ShowUrl = Callable[[str], None]
"""Brings the person to this URL: opens a browser, or prints it."""
ShowCode = Callable[[DeviceCode], None]
"""Tells the person which code to enter, and where."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a login is to be."""

    issuer: str | None = None
    """The alias of the issuer, where the gateway has several."""
    demand: Demand | None = None
    """What it must have."""
    dpop: bool = False
    """Whether the token is bound to a key that is made for it."""
    timeout: timedelta = DEFAULT_TIMEOUT
    """How long the person may take."""


_NO_WISHES = Wishes()


def login_in_browser(url: str, *, show_url: ShowUrl, wishes: Wishes = _NO_WISHES) -> Login:
    """Log a person in at the gateway and return the login, which is not kept yet.

    Args:
        url: the gateway's.
        show_url: called once, with the address where the person logs in.
        wishes: how the login is to be.

    Raises:
        LoginFailed: the provider refused, its answer was not to this login, or none came in time.
        Unauthenticated: the gateway refused the provider's token.
        GatewayUnavailable: the gateway does not answer.
        IssuerUnavailable: the provider does not.
    """

    def ask(issuer: LoginIssuer, http: httpx.Client, key: ProofKey | None, demand: Demand | None) -> ProviderTokens:
        endpoints = discover(issuer, http)
        with listening() as listener:
            flow = CodeFlow(issuer, endpoints, listener.redirect_uri, http, demand=demand, key=key)
            show_url(flow.authorize_url())
            answer = listener.wait(wishes.timeout)
        # The port is closed before the code is used: there is one answer to a login.
        return flow.tokens(answer)

    return _log_in(url, ask, wishes, device=False)


def login_on_device(url: str, *, show_code: ShowCode, wishes: Wishes = _NO_WISHES) -> Login:
    """Log a person in who enters a code on any device, as where this machine has no browser. As `login_in_browser`."""

    def ask(issuer: LoginIssuer, http: httpx.Client, key: ProofKey | None, demand: Demand | None) -> ProviderTokens:
        flow = DeviceFlow(issuer, discover(issuer, http), http, demand=demand, key=key)
        code = flow.start()
        show_code(code)
        return flow.tokens(code, timeout=wishes.timeout)

    return _log_in(url, ask, wishes, device=True)


_AskPerson = Callable[[LoginIssuer, httpx.Client, ProofKey | None, Demand | None], ProviderTokens]
"""Returns the provider's tokens of the person."""


def _log_in(url: str, ask: _AskPerson, wishes: Wishes, *, device: bool) -> Login:
    key = ProofKey.generate() if wishes.dpop else None
    with anonymous_http() as http:
        gateway = GatewayLogin(url, http)
        issuer = choose_issuer(gateway.issuers(), wishes.issuer)
        given = ask(issuer, http, key, wishes.demand)
        try:
            token = gateway.exchange(given.id_token, ID_TOKEN, key=key)
        except StepUpRequired as refused:
            # The gateway wants more of this issuer than its provider gives unasked: once more, and ask for it.
            given = ask(issuer, http, key, Demand.in_error(refused))
            token = gateway.exchange(given.id_token, ID_TOKEN, key=key)
        return Login(
            url=gateway.url,
            issuer=issuer.alias,
            expires_at=token.expires_at,
            token=token.text,
            proof_key=key.dump() if key else "",
            device=device,
            subject=given.subject,
            provider=issuer.issuer,
            refresh_token=given.refresh_token,
            renew_at=token.renew_at if given.refresh_token else None,
        )
