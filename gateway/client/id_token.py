"""Is this ID token the answer to our login? Its signature is the gateway's to verify, and it does."""

import base64
import hmac
import json
from typing import Any

from gateway.client.exchange import LoginIssuer
from gateway.errors import LoginFailed

AGAIN = "Log in again: gateway login"


def check_id_token(token: object, issuer: LoginIssuer, *, nonce: str = "") -> str:
    """Return the ID token, if it is of this issuer, for its client, and of the login that had this nonce.

    OpenID Connect Core 1.0, 3.1.3.7, 6: what came from the token endpoint itself, as this must have, may be taken
    without a look at its signature.

    Raises:
        LoginFailed: it is not, or there is none.
    """
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
    return token


def _claims(token: str) -> dict[str, Any]:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError) as error:
        raise LoginFailed("The provider's ID token is no JWT.", hint=AGAIN) from error
    return claims if isinstance(claims, dict) else {}
