"""Renews a person's login without them, by the refresh token that their provider gave (OpenID Connect Core 1.0, 12)."""

from dataclasses import replace
from typing import Any

import httpx

from gateway.client.dpop import ProofKey
from gateway.client.exchange import ID_TOKEN, GatewayLogin, LoginIssuer, anonymous_http, choose_issuer, fetch_object
from gateway.client.id_token import AGAIN, read_tokens
from gateway.client.profile import Login
from gateway.client.provider import discover, said, unavailable
from gateway.errors import LoginFailed


def renew(login: Login) -> Login:
    """Return the login with a new token, bound to the same key.

    Raises:
        LoginFailed: the provider ended the login, or is another one than before.
        Unauthenticated: the gateway refuses the provider's token.
        Unavailable: the gateway or the provider is away.
    """
    key = ProofKey.load(login.proof_key) if login.proof_key else None
    with anonymous_http() as http:
        gateway = GatewayLogin(login.url, http)
        issuer = choose_issuer(gateway.issuers(), login.issuer)
        # A refresh token goes to the provider that gave it, whatever the gateway says today.
        if issuer.issuer != login.provider:
            raise LoginFailed(f"The issuer {login.issuer} is {issuer.issuer} now, not {login.provider}.", hint=AGAIN)
        given = read_tokens(_refresh(issuer, login, key, http), issuer)
        # 12.2: the subject is the same as at the login.
        if given.subject != login.subject:
            raise LoginFailed("The provider renewed somebody else's login.", hint=AGAIN)
        token = gateway.exchange(given.id_token, ID_TOKEN, key=key)
        return replace(
            login,
            token=token.text,
            expires_at=token.expires_at,
            renew_at=token.renew_at,
            # RFC 6749 6: a new refresh token replaces the old one.
            refresh_token=given.refresh_token or login.refresh_token,
        )


def _refresh(issuer: LoginIssuer, login: Login, key: ProofKey | None, http: httpx.Client) -> dict[str, Any]:
    endpoints = discover(issuer, http)
    form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token, "client_id": issuer.client_id}
    try:
        status, answer = fetch_object(http, "POST", endpoints.token, form, key=key if endpoints.takes_proofs else None)
    except (httpx.HTTPError, ValueError) as error:
        raise unavailable(issuer, type(error).__name__) from error
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise unavailable(issuer, f"status {status}")
    if status != httpx.codes.OK:
        raise LoginFailed(f"The provider ended the login: {said(answer) or f'status {status}'}.", hint=AGAIN)
    return answer
