"""The OpenID provider's part of a login: where its endpoints are, and an ID token for a code (PKCE, nonce, state)."""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client

from gateway.client.exchange import LoginIssuer, fetch_object, is_confidential
from gateway.errors import IssuerUnavailable, LoginFailed

_AGAIN = "Log in again: gateway login"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What we need of the provider's discovery document."""

    authorization: str
    token: str
    names_itself: bool
    """Whether every answer to the redirect has an `iss` (RFC 9207 3)."""


def discover(issuer: LoginIssuer, http: httpx.Client) -> Endpoints:
    """Return the provider's endpoints (OpenID Connect Discovery 1.0, 4).

    Raises:
        IssuerUnavailable: it does not answer, or not as Discovery has it.
    """
    url = issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
    try:
        status, answer = fetch_object(http, "GET", url)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _unavailable(issuer, type(error).__name__) from error
    if status != httpx.codes.OK or answer.get("issuer") != issuer.issuer:
        raise _unavailable(issuer, f"status {status}, issuer {str(answer.get('issuer'))[:200]!r}")
    found = [answer.get(name) for name in ("authorization_endpoint", "token_endpoint")]
    authorization, token = (one if isinstance(one, str) and is_confidential(one) else "" for one in found)
    if not authorization or not token:
        raise _unavailable(issuer, "its endpoints are neither HTTPS nor on loopback")
    return Endpoints(authorization, token, answer.get("authorization_response_iss_parameter_supported") is True)


class CodeFlow:
    """One login by authorization code. State, nonce and code verifier are made for it alone, and used once."""

    def __init__(self, issuer: LoginIssuer, endpoints: Endpoints, redirect_uri: str, http: httpx.Client) -> None:
        self._issuer = issuer
        self._endpoints = endpoints
        self._http = http
        self._secrets = _Secrets()
        self._client = OAuth2Client(
            session=http,
            client_id=issuer.client_id,
            scope=" ".join(issuer.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )

    def authorize_url(self) -> str:
        """Return where the person logs in."""
        url, _ = self._client.create_authorization_url(
            self._endpoints.authorization,
            state=self._secrets.state,
            code_verifier=self._secrets.code_verifier,
            nonce=self._secrets.nonce,
        )
        return str(url)

    def id_token(self, answer: Mapping[str, str]) -> str:
        """Return the ID token for what came to the redirect address.

        Raises:
            LoginFailed: the provider refused, or the answer is not to our question.
            IssuerUnavailable: the provider does not answer.
        """
        # 1. Ours? (RFC 6749 10.12, RFC 9207 2.4), before anything in it is believed.
        self._check_origin(answer)
        # 2. A code, or a refusal? (RFC 6749 4.1.2)
        if "error" in answer:
            raise LoginFailed(f"The provider did not log you in: {_said(answer)}.", hint=_AGAIN)
        if not answer.get("code"):
            raise LoginFailed("The provider's answer has no code.", hint=_AGAIN)
        # 3. The code for the token, with the proof that we asked for it (RFC 7636 4.5).
        token = self._fetch(answer["code"])
        # 4. Is the token the answer to this login? (OpenID Connect Core 1.0, 3.1.3.7)
        self._check_id_token(token)
        return token

    def _check_origin(self, answer: Mapping[str, str]) -> None:
        if not hmac.compare_digest(answer.get("state", "").encode(), self._secrets.state.encode()):
            raise LoginFailed("An answer came that is not to this login (its state is another).", hint=_AGAIN)
        named = answer.get("iss")
        if (named is not None or self._endpoints.names_itself) and named != self._issuer.issuer:
            raise LoginFailed(f"The answer came from another issuer: expected {self._issuer.issuer}.", hint=_AGAIN)

    def _fetch(self, code: str) -> str:
        try:
            answer = self._client.fetch_token(
                self._endpoints.token,
                grant_type="authorization_code",
                code=code,
                code_verifier=self._secrets.code_verifier,
                client_id=self._issuer.client_id,
                auth=httpx.Auth(),  # a public client: it names itself in the form, and proves itself by the verifier
            )
        except OAuth2Error as error:
            said = _said({"error": error.error, "error_description": error.description or ""})
            raise LoginFailed(f"The provider refused the code: {said}.", hint=_AGAIN) from error
        except (httpx.HTTPError, ValueError) as error:
            raise _unavailable(self._issuer, type(error).__name__) from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise LoginFailed("The provider gave no ID token.", hint="Is 'openid' among the issuer's scopes?")
        return token

    def _check_id_token(self, token: str) -> None:
        # 3.1.3.7, 6: it came from the token endpoint itself. Its signature is the gateway's to verify, and it does.
        claims = _claims(token)
        audience = claims.get("aud")
        if claims.get("iss") != self._issuer.issuer or self._issuer.client_id not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise LoginFailed("The ID token is of another issuer, or for another client.", hint=_AGAIN)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), self._secrets.nonce.encode()):
            raise LoginFailed("The ID token is not of this login (its nonce is another).", hint=_AGAIN)


@dataclass(frozen=True, slots=True)
class _Secrets:
    """256 bits each: 43 characters are also the least that RFC 7636 4.1 allows for a verifier."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    code_verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


def _claims(token: str) -> dict[str, Any]:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError) as error:
        raise LoginFailed("The provider's ID token is no JWT.", hint=_AGAIN) from error
    return claims if isinstance(claims, dict) else {}


def _said(answer: Mapping[str, str]) -> str:
    """Return what the provider says in words that are fit for a terminal."""
    text = ", ".join(filter(None, (answer.get("error", ""), answer.get("error_description", ""))))[:300]
    return "".join(char if char.isprintable() else " " for char in text).rstrip(". ")


def _unavailable(issuer: LoginIssuer, reason: str) -> IssuerUnavailable:
    return IssuerUnavailable(
        f"The provider {issuer.issuer} does not answer as one ({reason}).", hint="Check that it is up and reachable."
    )
