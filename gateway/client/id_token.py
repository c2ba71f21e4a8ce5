"""Is this ID token the answer to our login? Its signature is the gateway's to verify, and it does."""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.client.exchange import LoginIssuer
from gateway.errors import LoginFailed

AGAIN = "Log in again: gateway login"


@dataclass(frozen=True, slots=True)
class ProviderTokens:
    """What a provider gave for a login."""

    id_token: str = field(repr=False)
    subject: str
    """Whom the ID token speaks of."""
    refresh_token: str = field(default="", repr=False)
    """What gets the next ID token; empty where the provider gives none."""


def read_tokens(answer: Mapping[str, Any], issuer: LoginIssuer, *, nonce: str = "") -> ProviderTokens:
    """Return the tokens of an answer, if its ID token is of this issuer, for its client, and of the login of `nonce`.

    OpenID Connect Core 1.0, 3.1.3.7, 6: what came from the token endpoint itself, as this must have, may be taken
    without a look at its signature.

    Raises:
        LoginFailed: it is not, or there is none.
    """
    token, refresh = answer.get("id_token"), answer.get("refresh_token")
    if not isinstance(token, str):
        raise LoginFailed("The provider gave no ID token.", hint="Is 'openid' among the issuer's scopes?")
    claims = _claims(token)
    audience = claims.get("aud")
    if claims.get("iss") != issuer.issuer or issuer.client_id not in (
        audience if isinstance(audience, list) else [audience]
    ):
        raise LoginFailed("The ID token is of another issuer, or for another client.", hint=AGAIN)
    if nonce and not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise LoginFailed("The ID token is not of this login (its nonce is another).", hint=AGAIN)
    return ProviderTokens(token, str(claims.get("sub", "")), refresh if isinstance(refresh, str) else "")


def _claims(token: str) -> dict[str, Any]:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError) as error:
        raise LoginFailed("The provider's ID token is no JWT.", hint=AGAIN) from error
    return claims if isinstance(claims, dict) else {}
