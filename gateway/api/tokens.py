"""Logging in: the token endpoint, our public keys, and who the caller is."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.api.challenges import nonce_header
from gateway.api.credentials import announce_nonce, call_of, proof_of
from gateway.api.dependencies import Authenticated, Came, UseCases
from gateway.api.problems import RESPONSES, status_of
from gateway.api.schemas.login import LoginOut, TokenErrorOut, TokenOut, WhoAmI
from gateway.errors import GatewayError, StepUpRequired
from gateway.identity import oauth_error
from gateway.identity.token_request import FORM, GRANT_TYPE, JSON

router = APIRouter(tags=["login"])

_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
"""RFC 6749 5.1, as amended by RFC 8693 2.2.1."""


@router.get("/v1/login")
async def how_to_log_in(request: Request) -> LoginOut:
    """Say where people log in, so that a client needs to know nothing but our address."""
    how: LoginOut = request.app.state.how_to_log_in
    return how


def _schema(details: Mapping[str, object]) -> dict[str, object]:
    texts = ("subject_token", "subject_token_type", "scope", "audience", "client_id")
    return {
        "type": "object",
        "required": ["grant_type", "subject_token", "subject_token_type"],
        "properties": {
            "grant_type": {"const": GRANT_TYPE},
            **{name: {"type": "string"} for name in texts},
            "authorization_details": details,
        },
    }


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
                FORM: {"schema": _schema({"type": "string"})},
                JSON: {"schema": _schema({"type": "array", "items": {"type": "object"}})},
            },
        }
    },
)
async def exchange_token(request: Request, broker: UseCases, origin: Came) -> JSONResponse:
    """Exchange an ID token, workload token or access token for a gateway token (RFC 8693), narrowed if asked for.

    With a proof of possession in the header DPoP, the token is bound to its key (RFC 9449).
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        answer = await broker.sign_in.exchange(
            await request.body(), media_type, origin, call=call_of(request), proof=proof_of(request)
        )
    except GatewayError as error:
        return _refusal(error)
    announce_nonce(request, answer.next_nonce)
    return JSONResponse(answer.to_response(), headers=_NO_STORE)


def _refusal(error: GatewayError) -> JSONResponse:
    body = TokenErrorOut(error=oauth_error(error), error_description=error.message, code=error.code, hint=error.hint)
    if isinstance(error, StepUpRequired):
        body.acr_values = " ".join(error.acr_values) or None
        body.amr_values = " ".join(error.amr_values) or None
        body.max_age = int(error.max_age.total_seconds()) if error.max_age is not None else None
    # RFC 6749 5.2: a refusal is a 400 unless it is the client's own authentication that failed.
    status = status_of(error)
    server_side = status >= 500  # noqa: PLR2004 -- the class of server errors
    said = body.model_dump(exclude_none=True)
    return JSONResponse(said, status if server_side else 400, headers=_NO_STORE | nonce_header(error))


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
        acr=principal.acr,
        amr=list(principal.amr),
        auth_time=principal.auth_time,
        token_id=principal.token_id,
        bound=bool(principal.key_thumbprint),
        narrowed=bool(principal.session_policies),
    )
