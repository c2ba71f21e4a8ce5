"""Writes a principal into the claims of a gateway token, and reads it back: version 1 of that format."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.errors import InvalidToken
from gateway.identity.claims import VerifiedClaims, time_claim
from gateway.model import Principal, PrincipalKind

FORMAT = 1


def write_principal(principal: Principal) -> dict[str, object]:
    """Return the claims that carry the principal; registered ones where there are some (RFC 9068 2.2).

    >>> who = Principal("people", "u1", PrincipalKind.USER, "ada", frozenset({"ml-research"}))
    >>> write_principal(who)["sub"], write_principal(who)["groups"]
    ('people:u1', ['ml-research'])
    """
    claims: dict[str, object] = {
        # RFC 7519 4.1.2: unique within the issuer, and all our issuers' subjects meet in us. An alias has no ':'.
        "sub": f"{principal.issuer}:{principal.subject}",
        "groups": sorted(principal.groups),
        "gateway": {
            "format": FORMAT,
            "kind": principal.kind.value,
            "name": principal.name,
            "claims": dict(principal.claims),
            "tags": dict(principal.tags),
            "policies": list(principal.session_policies),
            "client": principal.client_id,
            "login_at": int(principal.login_at.timestamp()) if principal.login_at else None,
            "origins": list(principal.origins),
        },
    }
    if principal.acr is not None:
        claims["acr"] = principal.acr
    if principal.amr:
        claims["amr"] = list(principal.amr)
    if principal.auth_time is not None:
        claims["auth_time"] = int(principal.auth_time.timestamp())
    if principal.key_thumbprint:
        claims["cnf"] = {"jkt": principal.key_thumbprint}  # RFC 9449 6.1
    return claims


def read_principal(claims: VerifiedClaims) -> Principal:
    """Return the principal of a gateway token whose signature, audience and time were checked.

    Raises:
        InvalidToken: the claims have another format than `write_principal` writes.
    """
    own = claims.get("gateway")
    if not isinstance(own, dict) or own.get("format") != FORMAT:
        raise InvalidToken(f"The gateway token has another format than {FORMAT}.", hint="Log in again: gateway login.")
    try:
        return _read(claims, own)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidToken("The gateway token lacks what its format has.") from error


def _read(claims: Mapping[str, Any], own: Mapping[str, Any]) -> Principal:
    issuer, _, subject = claims["sub"].partition(":")
    return Principal(
        issuer=issuer,
        subject=subject,
        kind=PrincipalKind(own["kind"]),
        name=own["name"],
        groups=frozenset(claims["groups"]),
        claims=own["claims"],
        tags=own["tags"],
        acr=claims.get("acr"),
        amr=tuple(claims.get("amr", ())),
        auth_time=time_claim(claims, "auth_time"),
        token_id=claims["jti"],
        expires_at=time_claim(claims, "exp"),
        session_policies=tuple(own["policies"]),
        client_id=own["client"],
        login_at=datetime.fromtimestamp(own["login_at"], UTC) if own["login_at"] is not None else None,
        origins=tuple(own["origins"]),
        key_thumbprint=claims["cnf"]["jkt"] if "cnf" in claims else "",
    )
