"""Who is asking: verifies issuers' tokens, and exchanges them for gateway tokens."""

from gateway.identity.exchange import TokenExchange, TokenRequest, oauth_error
from gateway.identity.issuers import Issuers
from gateway.identity.tokens import GatewayTokens, TokenAnswer

__all__ = ["GatewayTokens", "Issuers", "TokenAnswer", "TokenExchange", "TokenRequest", "oauth_error"]
