"""Who is asking: verifies issuers' tokens, and exchanges them for gateway tokens."""

from gateway.identity.authentication import Authentication, Credentials, Identified
from gateway.identity.dpop import Call, Nonces, Proofs
from gateway.identity.exchange import TokenExchange, oauth_error
from gateway.identity.issuers import Issuers
from gateway.identity.token_request import Detail, TokenRequest
from gateway.identity.tokens import GatewayTokens, TokenAnswer

__all__ = [
    "Authentication",
    "Call",
    "Credentials",
    "Detail",
    "GatewayTokens",
    "Identified",
    "Issuers",
    "Nonces",
    "Proofs",
    "TokenAnswer",
    "TokenExchange",
    "TokenRequest",
    "oauth_error",
]
