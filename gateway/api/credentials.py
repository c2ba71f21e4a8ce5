"""Reads what a request shows to say who is calling. The only place that reads `Authorization` and `DPoP`."""

from fastapi import Request

from gateway.errors import InvalidDpopProof, Unauthenticated
from gateway.identity import Call, Credentials

_SCHEMES = frozenset({"bearer", "dpop"})


def credentials_of(request: Request) -> Credentials:
    """Return the token of the request, with the proof of possession beside it.

    Raises:
        Unauthenticated: there is none, there are several, or it is of another scheme.
        InvalidDpopProof: there are several proofs.
    """
    shown = request.headers.getlist("authorization")
    if len(shown) > 1:
        raise Unauthenticated("The request has more than one Authorization header.")
    scheme, _, token = (shown[0] if shown else "").partition(" ")
    if scheme.lower() not in _SCHEMES or not token:
        raise Unauthenticated("No access token was sent.", hint="Log in with 'gateway login'.")
    return Credentials(scheme.lower(), token.strip(" "), call_of(request), proof_of(request))


def proof_of(request: Request) -> str | None:
    """Return the proof of possession, if there is one (RFC 9449 4.3, the first check).

    Raises:
        InvalidDpopProof: there are several.
    """
    proofs = request.headers.getlist("dpop")
    if len(proofs) > 1:
        raise InvalidDpopProof("The request has more than one DPoP header.")
    return proofs[0] if proofs else None


def call_of(request: Request) -> Call:
    """Return which request it is, by the address that clients know: a proxy may have changed what we see of it."""
    path = request.scope.get("raw_path") or request.url.path.encode()
    return Call(request.method, str(request.app.state.public_url).rstrip("/") + path.decode("latin-1"))


def announce_nonce(request: Request, nonce: str) -> None:
    """Let the answer, whatever it is, have the nonce for the next proof (RFC 9449 8.2)."""
    if nonce:
        request.scope["dpop_nonce"] = nonce
