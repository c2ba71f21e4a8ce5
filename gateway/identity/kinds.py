"""Tells what an issuer's token is for: an ID token is no access token, nor the reverse (RFC 9068 5, RFC 8725 3.11)."""

from collections.abc import Collection, Mapping

from gateway.errors import WrongTokenType
from gateway.identity.claims import VerifiedClaims, text_claim, time_claim
from gateway.identity.jws import SignedToken
from gateway.model import PrincipalKind
from gateway.settings import IssuerSettings, TokenKind

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  RFC 9068 2.1: the media type of access tokens
_PLAIN_TYPES = frozenset({None, "jwt"})
"""`typ` of ID tokens and workload tokens. Others (logout+jwt, dpop+jwt, …) say that they are something else."""
_WORKLOAD_TYPES = _PLAIN_TYPES | {"jose"}
"""SPIFFE's JWT-SVID 2.2 has JOSE as well."""
_ID_TOKEN_MARKS = {"typ": "ID", "token_use": "id"}
"""How Keycloak and Cognito tell ID tokens from access tokens of the same issuer and audience."""
_MAX_CHARS = 512

_NAMES = {
    TokenKind.ACCESS_TOKEN: "an access token (typ 'at+jwt')",
    TokenKind.ID_TOKEN: "an ID token",
    TokenKind.WORKLOAD: "a workload token",
}
_HINTS = {
    TokenKind.ACCESS_TOKEN: "Send the access token; an ID token is exchanged at /oauth2/token, as gateway login does.",
    TokenKind.ID_TOKEN: "Exchange the ID token, not the access token.",
    TokenKind.WORKLOAD: "Exchange the workload's own token.",
}


def check_kind(token: SignedToken, settings: IssuerSettings, expected: Collection[TokenKind]) -> TokenKind:
    """Return the token's kind, if it is one that is expected here and taken from this issuer.

    Raises:
        WrongTokenType: it is another.
    """
    allowed = [kind for kind in settings.tokens if kind in expected]
    kind = _kind(token, settings)
    if kind in allowed:
        if kind is TokenKind.ID_TOKEN:
            _check_is_id_token(token.unverified_claims)
        return kind
    if not allowed:
        raise WrongTokenType(f"The issuer {settings.alias} is not trusted for {_list(expected)}.")
    got = f"its typ is {str(token.media_type)[:40]!r}" if kind is None else _NAMES[kind]
    raise WrongTokenType(
        f"The token is of the wrong kind: expected {_list(allowed)}, got {got}.", hint=_HINTS[allowed[0]]
    )


def check_access_token(token: SignedToken, claims: VerifiedClaims) -> None:
    """Refuse an access token without the claims that RFC 9068 2.2 asks for.

    Raises:
        InvalidClaim: one is missing.
    """
    if token.media_type == ACCESS_TOKEN_TYPE:
        for name in ("client_id", "jti"):
            text_claim(claims, name, limit=_MAX_CHARS)
        time_claim(claims, "iat", required=True)


def _kind(token: SignedToken, settings: IssuerSettings) -> TokenKind | None:
    if token.media_type == ACCESS_TOKEN_TYPE or _is_marked(token.unverified_claims, settings.access_token_claims):
        return TokenKind.ACCESS_TOKEN
    if settings.kind is PrincipalKind.WORKLOAD:
        return TokenKind.WORKLOAD if token.media_type in _WORKLOAD_TYPES else None
    return TokenKind.ID_TOKEN if token.media_type in _PLAIN_TYPES else None


def _is_marked(claims: Mapping[str, object], marks: Mapping[str, str]) -> bool:
    return bool(marks) and all(claims.get(name) == value for name, value in marks.items())


def _check_is_id_token(claims: Mapping[str, object]) -> None:
    for name, expected in _ID_TOKEN_MARKS.items():
        if claims.get(name, expected) != expected:
            raise WrongTokenType(
                f"The token's {name} is {str(claims[name])[:40]!r}, expected {expected!r}.",
                hint=_HINTS[TokenKind.ID_TOKEN],
            )


def _list(kinds: Collection[TokenKind]) -> str:
    return " or ".join(_NAMES[kind] for kind in TokenKind if kind in kinds)
