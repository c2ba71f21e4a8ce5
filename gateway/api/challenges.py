"""Says in `WWW-Authenticate` why a caller is not let in, and what would do: RFC 6750, 9449, 9470 and 9728."""

from collections.abc import Iterator

from starlette.requests import Request

from gateway import errors
from gateway.identity.dpop import ALGORITHMS

METADATA_PATH = "/.well-known/oauth-protected-resource"
"""RFC 9728 3: our own metadata, which every challenge points to."""

_OAUTH_CODES: dict[type[errors.GatewayError], str] = {
    errors.StepUpRequired: "insufficient_user_authentication",
    errors.InvalidDpopProof: "invalid_dpop_proof",
    errors.UseDpopNonce: "use_dpop_nonce",
    errors.Unauthenticated: "invalid_token",
}
_MAX_DESCRIPTION_CHARS = 300


def challenge(request: Request, error: errors.GatewayError | None = None) -> dict[str, str]:
    """Return the headers of a 401.

    Without credentials in the request there is no error code (RFC 6750 3.1), and both schemes are offered.
    """
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    metadata = f"{_base_url(request)}{METADATA_PATH}"
    algorithms = f'algs="{" ".join(ALGORITHMS)}"'
    if not sent:
        bearer = f'Bearer resource_metadata="{metadata}"'
        return {"www-authenticate": f'{bearer}, DPoP {algorithms}, resource_metadata="{metadata}"'}
    says = [*_reasons(error), f'resource_metadata="{metadata}"']
    bound = scheme.lower() == "dpop" or isinstance(error, errors.InvalidDpopProof | errors.UseDpopNonce)
    chosen = f"DPoP {algorithms}, " if bound else "Bearer "
    return {"www-authenticate": chosen + ", ".join(says)} | nonce_header(error)


def nonce_header(error: errors.GatewayError | None) -> dict[str, str]:
    """Return the header with the nonce that the next proof must hold (RFC 9449 8)."""
    return {"dpop-nonce": error.nonce} if isinstance(error, errors.UseDpopNonce) else {}


def oauth_code(error: errors.GatewayError) -> str:
    """Return the error code of OAuth's for a refused token.

    >>> oauth_code(errors.WrongAudience("for another"))
    'invalid_token'
    """
    return next((_OAUTH_CODES[kind] for kind in type(error).__mro__ if kind in _OAUTH_CODES), "invalid_token")


def _reasons(error: errors.GatewayError | None) -> Iterator[str]:
    if error is None:
        yield 'error="invalid_token"'
        return
    yield f'error="{oauth_code(error)}"'
    yield f'error_description="{quotable(error.message)}"'
    if isinstance(error, errors.StepUpRequired):
        yield from _demands(error)


def _demands(error: errors.StepUpRequired) -> Iterator[str]:
    # RFC 9470 3: space-separated, in the order of preference. `amr_values` is ours: the RFC has no word for it.
    if error.acr_values:
        yield f'acr_values="{quotable(" ".join(error.acr_values))}"'
    if error.amr_values:
        yield f'amr_values="{quotable(" ".join(error.amr_values))}"'
    if error.max_age is not None:
        yield f'max_age="{int(error.max_age.total_seconds())}"'


def quotable(text: str) -> str:
    r"""Return the text in the characters that an `error_description` may have (RFC 6750 3).

    >>> quotable('expected "a", got \\n')
    "expected 'a', got /n"
    """
    plain = text.replace('"', "'").replace("\\", "/")[:_MAX_DESCRIPTION_CHARS]
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in plain)


def _base_url(request: Request) -> str:
    return str(request.app.state.public_url)
