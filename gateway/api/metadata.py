"""Tells clients of any make where tokens come from and what is taken: RFC 8414 and RFC 9728."""

from fastapi import APIRouter, Request

from gateway.api.challenges import METADATA_PATH
from gateway.broker.narrowing import DETAIL_TYPES
from gateway.identity.dpop import ALGORITHMS
from gateway.identity.token_request import GRANT_TYPE
from gateway.policy.vocabulary import ACTIONS

router = APIRouter(tags=["login"])


@router.get(METADATA_PATH)
async def protected_resource(request: Request) -> dict[str, object]:
    """Describe the gateway as a resource server (RFC 9728 2)."""
    public_url: str = request.app.state.public_url
    return {
        "resource": public_url,
        "resource_name": "ML Data Gateway",
        "authorization_servers": [public_url, *request.app.state.access_token_issuers],
        "bearer_methods_supported": ["header"],
        "scopes_supported": list(ACTIONS),
        "authorization_details_types_supported": list(DETAIL_TYPES),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_bound_access_tokens_required": False,
    }


@router.get("/.well-known/oauth-authorization-server")
async def authorization_server(request: Request) -> dict[str, object]:
    """Describe the gateway as an authorization server (RFC 8414 2): it exchanges tokens, and does nothing else."""
    public_url: str = request.app.state.public_url
    return {
        "issuer": public_url,
        "token_endpoint": f"{public_url}/oauth2/token",
        "jwks_uri": f"{public_url}/.well-known/jwks.json",
        "grant_types_supported": [GRANT_TYPE],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": list(ACTIONS),
        "authorization_details_types_supported": list(DETAIL_TYPES),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
    }
