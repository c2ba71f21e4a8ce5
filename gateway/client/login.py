"""Logs a person in at the gateway through their provider, in the browser."""

from collections.abc import Callable
from datetime import timedelta

import httpx

from gateway.client.callback import listening
from gateway.client.exchange import ID_TOKEN, GatewayLogin, LoginIssuer, anonymous_http, choose_issuer
from gateway.client.profile import Login
from gateway.client.provider import CodeFlow, discover

DEFAULT_TIMEOUT = timedelta(minutes=5)

ShowUrl = Callable[[str], None]
"""Brings the person to this URL: opens a browser, or prints it."""


def login_in_browser(
    url: str, *, show_url: ShowUrl, issuer: str | None = None, timeout: timedelta = DEFAULT_TIMEOUT
) -> Login:
    """Log a person in at the gateway and return the login, which is not kept yet.

    Args:
        url: the gateway's.
        show_url: called once, with the address where the person logs in.
        issuer: the alias of the issuer, where the gateway has several.
        timeout: how long the person may take.

    Raises:
        LoginFailed: the provider refused, its answer was not to this login, or none came in time.
        Unauthenticated: the gateway refused the provider's token.
        GatewayUnavailable: the gateway does not answer.
        IssuerUnavailable: the provider does not.
    """
    with anonymous_http() as http:
        gateway = GatewayLogin(url, http)
        chosen = choose_issuer(gateway.issuers(), issuer)
        id_token = _ask_person(chosen, http, show_url, timeout)
        token = gateway.exchange(id_token, ID_TOKEN)
        return Login(gateway.url, chosen.alias, token.expires_at, token.text)


def _ask_person(issuer: LoginIssuer, http: httpx.Client, show_url: ShowUrl, timeout: timedelta) -> str:
    endpoints = discover(issuer, http)
    with listening() as listener:
        flow = CodeFlow(issuer, endpoints, listener.redirect_uri, http)
        show_url(flow.authorize_url())
        answer = listener.wait(timeout)
    # The port is closed before the code is used: there is one answer to a login.
    return flow.id_token(answer)
