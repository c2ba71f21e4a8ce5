"""Logging in: the token endpoint, our public keys, and who the caller is."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.api.dependencies import Authenticated, Came, UseCases
from gateway.api.problems import RESPONSES, status_of
from gateway.api.schemas import LoginOut, TokenErrorOut, TokenOut, WhoAmI
from gateway.errors import GatewayError
from gateway.identity import oauth_error

router = APIRouter(tags=["login"])

_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
"""RFC 6749 5.1, as amended by RFC 8693 2.2.1."""


@router.get("/v1/login")
async def how_to_log_in(request: Request) -> LoginOut:
    """Say where people log in, so that a client needs to know nothing but our address."""
    how: LoginOut = request.app.state.how_to_log_in
    return how


@router.post(
    "/oauth2/token",
    responses={
        200: {"model": TokenOut},
        400: {"model": TokenErrorOut, "description": "RFC 6749 5.2."},
        413: RESPONSES[413],
        503: {"model": TokenErrorOut, "description": "A part is away."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["grant_type", "subject_token", "subject_token_type"],
                        "properties": {
                            "grant_type": {"const": "urn:ietf:params:oauth:grant-type:token-exchange"},
                            "subject_token": {"type": "string"},
                            "subject_token_type": {"type": "string"},
                        },
                    }
                }
            },
        }
    },
)
async def exchange_token(request: Request, broker: UseCases, origin: Came) -> JSONResponse:
    """Exchange an ID token or workload token for a gateway token (RFC 8693)."""
    try:
        answer = await broker.sign_in.exchange(await request.body(), origin)
    except GatewayError as error:
        body = TokenErrorOut(
            error=oauth_error(error), error_description=error.message, code=error.code, hint=error.hint
        )
        # RFC 6749 5.2: a refusal is a 400 unless it is the client's own authentication that failed.
        status = status_of(error)
        server_side = status >= 500  # noqa: PLR2004 -- the class of server errors
        return JSONResponse(body.model_dump(), status if server_side else 400, headers=_NO_STORE)
    return JSONResponse(answer.to_response(), headers=_NO_STORE)


@router.get("/.well-known/jwks.json", responses={503: RESPONSES[503]})
async def our_keys(broker: UseCases) -> dict[str, object]:
    """Return the public keys that verify gateway tokens (RFC 7517)."""
    return await broker.sign_in.public_keys()


@router.get("/v1/whoami", responses=RESPONSES)
async def who_am_i(caller: Authenticated) -> WhoAmI:
    """Return the caller as we see them."""
    principal = caller.principal
    return WhoAmI(
        issuer=principal.issuer,
        subject=principal.subject,
        kind=principal.kind,
        name=principal.name,
        groups=sorted(principal.groups),
        expires_at=principal.expires_at,
    )
