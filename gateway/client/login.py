"""Logs a person in at the gateway through their provider, in the browser; or a job, with the token it has."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx

from gateway.client.callback import listening
from gateway.client.exchange import ID_TOKEN, WORKLOAD_TOKEN, GatewayLogin, LoginIssuer, choose_issuer
from gateway.client.profile import Login
from gateway.client.provider import CodeFlow, discover
from gateway.client.tls import tls_context
from gateway.client.tokens import GatewayToken, WorkloadToken, read_workload_token

DEFAULT_TIMEOUT = timedelta(minutes=5)
_HTTP_TIMEOUT = httpx.Timeout(15)

ShowUrl = Callable[[str], None]
"""Brings the person to this URL: opens a browser, or prints it."""


def anonymous_http() -> httpx.Client:
    """Return an HTTP client for what needs no gateway token."""
    return httpx.Client(verify=tls_context(), timeout=_HTTP_TIMEOUT)


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


def login_workload(url: str, file: Path) -> Login:
    """Log a job in with the workload token in `file` and return the login, which is not kept yet.

    Raises:
        LocalFileError: the file cannot be read.
        Unauthenticated: the gateway refused the token.
        GatewayUnavailable: the gateway does not answer.
    """
    with anonymous_http() as http:
        gateway = GatewayLogin(url, http)
        token = gateway.exchange(read_workload_token(file), WORKLOAD_TOKEN)
        return Login(gateway.url, "workload", token.expires_at, token.text)


def workload_source(url: str, file: Path) -> WorkloadToken:
    """Return gateway tokens for a job, renewed from the workload token in `file` for as long as it runs."""

    def exchange(workload_token: str) -> GatewayToken:
        with anonymous_http() as http:
            return GatewayLogin(url, http).exchange(workload_token, WORKLOAD_TOKEN)

    return WorkloadToken(file, exchange)


def _ask_person(issuer: LoginIssuer, http: httpx.Client, show_url: ShowUrl, timeout: timedelta) -> str:
    endpoints = discover(issuer, http)
    with listening() as listener:
        flow = CodeFlow(issuer, endpoints, listener.redirect_uri, http)
        show_url(flow.authorize_url())
        answer = listener.wait(timeout)
    # The port is closed before the code is used: there is one answer to a login.
    return flow.id_token(answer)
