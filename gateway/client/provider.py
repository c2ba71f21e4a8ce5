"""The OpenID provider's part of a login: where its endpoints are, and an ID token for a code (PKCE, nonce, state)."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client

from gateway.client.demand import Demand
from gateway.client.dpop import ALGORITHM, ProofKey
from gateway.client.exchange import LoginIssuer, fetch_object, is_confidential, proof_auth
from gateway.client.id_token import AGAIN, ProviderTokens, read_tokens
from gateway.errors import IssuerUnavailable, LoginFailed


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What we need of the provider's discovery document."""

    authorization: str
    token: str
    names_itself: bool = False
    """Whether every answer to the redirect has an `iss` (RFC 9207 3)."""
    device: str = ""
    """Where a login on another device begins (RFC 8628 4); empty where it cannot."""
    takes_proofs: bool = False
    """Whether it binds codes and tokens to our key (RFC 9449 5.1)."""


def discover(issuer: LoginIssuer, http: httpx.Client) -> Endpoints:
    """Return the provider's endpoints (OpenID Connect Discovery 1.0, 4).

    Raises:
        IssuerUnavailable: it does not answer, or not as Discovery has it.
    """
    url = issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
    try:
        status, answer = fetch_object(http, "GET", url)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise unavailable(issuer, type(error).__name__) from error
    if status != httpx.codes.OK or answer.get("issuer") != issuer.issuer:
        raise unavailable(issuer, f"status {status}, issuer {str(answer.get('issuer'))[:200]!r}")
    authorization, token, device = (
        _address(answer, f"{name}_endpoint") for name in ("authorization", "token", "device_authorization")
    )
    if not authorization or not token:
        raise unavailable(issuer, "its endpoints are neither HTTPS nor on loopback")
    return Endpoints(
        authorization,
        token,
        names_itself=answer.get("authorization_response_iss_parameter_supported") is True,
        device=device,
        takes_proofs=ALGORITHM in _list(answer, "dpop_signing_alg_values_supported"),
    )


class CodeFlow:
    """One login by authorization code. State, nonce and code verifier are made for it alone, and used once."""

    def __init__(  # noqa: PLR0913 -- the parts of one login, the lesser ones by keyword
        self,
        issuer: LoginIssuer,
        endpoints: Endpoints,
        redirect_uri: str,
        http: httpx.Client,
        *,
        demand: Demand | None = None,
        key: ProofKey | None = None,
    ) -> None:
        self._issuer = issuer
        self._endpoints = endpoints
        self._demand = demand or Demand()
        self._key = key if endpoints.takes_proofs else None
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
        # RFC 9449 10: the code is of no use to anybody who does not have the key.
        bound = {"dpop_jkt": self._key.thumbprint} if self._key else {}
        url, _ = self._client.create_authorization_url(
            self._endpoints.authorization,
            state=self._secrets.state,
            code_verifier=self._secrets.code_verifier,
            nonce=self._secrets.nonce,
            **self._demand.parameters(),
            **bound,
        )
        return str(url)

    def id_token(self, answer: Mapping[str, str]) -> str:
        """Return the ID token alone, as `tokens` does."""
        return self.tokens(answer).id_token

    def tokens(self, answer: Mapping[str, str]) -> ProviderTokens:
        """Return the tokens for what came to the redirect address.

        Raises:
            LoginFailed: the provider refused, or the answer is not to our question.
            IssuerUnavailable: the provider does not answer.
        """
        # 1. Ours? (RFC 6749 10.12, RFC 9207 2.4), before anything in it is believed.
        self._check_origin(answer)
        # 2. A code, or a refusal? (RFC 6749 4.1.2)
        if "error" in answer:
            raise LoginFailed(f"The provider did not log you in: {said(answer)}.", hint=AGAIN)
        if not answer.get("code"):
            raise LoginFailed("The provider's answer has no code.", hint=AGAIN)
        # 3. The code for the token, with the proof that we asked for it (RFC 7636 4.5).
        given = self._fetch(answer["code"])
        # 4. Is the token the answer to this login? (OpenID Connect Core 1.0, 3.1.3.7)
        return read_tokens(given, self._issuer, nonce=self._secrets.nonce)

    def _check_origin(self, answer: Mapping[str, str]) -> None:
        if not hmac.compare_digest(answer.get("state", "").encode(), self._secrets.state.encode()):
            raise LoginFailed("An answer came that is not to this login (its state is another).", hint=AGAIN)
        named = answer.get("iss")
        if (named is not None or self._endpoints.names_itself) and named != self._issuer.issuer:
            raise LoginFailed(f"The answer came from another issuer: expected {self._issuer.issuer}.", hint=AGAIN)

    def _fetch(self, code: str) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = self._client.fetch_token(
                self._endpoints.token,
                grant_type="authorization_code",
                code=code,
                code_verifier=self._secrets.code_verifier,
                client_id=self._issuer.client_id,
                # A public client: it names itself in the form, and proves itself by the verifier, and by its key.
                auth=proof_auth(self._key),
            )
        except OAuth2Error as error:
            words = said({"error": error.error, "error_description": error.description or ""})
            raise LoginFailed(f"The provider refused the code: {words}.", hint=AGAIN) from error
        except (httpx.HTTPError, ValueError) as error:
            raise unavailable(self._issuer, type(error).__name__) from error
        return answer


@dataclass(frozen=True, slots=True)
class _Secrets:
    """256 bits each: 43 characters are also the least that RFC 7636 4.1 allows for a verifier."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    code_verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


def said(answer: Mapping[str, Any]) -> str:
    """Return what the provider says in words that are fit for a terminal."""
    words = (str(answer.get(name) or "") for name in ("error", "error_description"))
    return printable(", ".join(filter(None, words)))[:300].rstrip(". ")


def printable(text: str) -> str:
    """Return the text without what could move a terminal's cursor."""
    return "".join(char if char.isprintable() else " " for char in text)


def unavailable(issuer: LoginIssuer, reason: str) -> IssuerUnavailable:
    """Return the error for a provider that does not answer as one."""
    return IssuerUnavailable(
        f"The provider {issuer.issuer} does not answer as one ({reason}).", hint="Check that it is up and reachable."
    )


def _address(answer: Mapping[str, Any], name: str) -> str:
    found = answer.get(name)
    return found if isinstance(found, str) and is_confidential(found) else ""


def _list(answer: Mapping[str, Any], name: str) -> list[object]:
    found = answer.get(name)
    return found if isinstance(found, list) else []
