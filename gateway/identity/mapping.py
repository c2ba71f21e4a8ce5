"""Makes a principal of an issuer's claims, as its settings say."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from gateway.errors import InvalidClaim
from gateway.identity.claims import MAX_SUBJECT_CHARS, VerifiedClaims, text_claim, time_claim
from gateway.model import Principal
from gateway.settings import ClaimMapping, IssuerSettings

MAX_GROUPS = 500
MAX_TEXT_CHARS = 512
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
"""SHA-256 in base64url."""


def map_principal(claims: VerifiedClaims, settings: IssuerSettings) -> Principal:
    """Return who the claims speak of.

    Raises:
        InvalidClaim: a claim that the mapping needs is missing, or is of another type.
    """
    mapping = settings.claims
    return Principal(
        issuer=settings.alias,
        subject=text_claim(claims, "sub", limit=MAX_SUBJECT_CHARS),
        kind=settings.kind,
        name=mapping.user_prefix + _user(claims, mapping),
        groups=frozenset(mapping.group_prefix + group for group in _groups(claims, mapping)),
        claims={name: claims[name] for name in mapping.keep if name in claims},
        tags=_tags(claims, mapping),
        acr=_optional_text(claims, "acr"),
        amr=_texts(claims.get("amr", []), "amr"),
        auth_time=time_claim(claims, "auth_time"),
        token_id=_optional_text(claims, "jti") or "",
        expires_at=time_claim(claims, "exp"),
        client_id=_optional_text(claims, "client_id") or _optional_text(claims, "azp") or "",
        login_at=time_claim(claims, "iat"),
        key_thumbprint=key_thumbprint(claims),
    )


def matches(claims: Mapping[str, object], when: Mapping[str, str | list[str]]) -> bool:
    """Tell whether each claim that `when` names has one of the values there; `*` in those is any text.

    >>> matches({"sub": "repo:acme/vision:ref:refs/heads/main"}, {"sub": "repo:acme/*"})
    True
    >>> matches({"roles": ["reader"]}, {"roles": ["admin", "writer"]})
    False
    """
    return all(_matches(find_claim(claims, path), patterns) for path, patterns in when.items())


def key_thumbprint(claims: Mapping[str, object]) -> str:
    """Return the thumbprint of the key that the token is bound to (RFC 9449 6.1), or "".

    Raises:
        InvalidClaim: it is bound in a way that we do not know, such as to a TLS certificate; to take it for a bearer
            token would undo its protection.
    """
    confirmation = claims.get("cnf")
    if confirmation is None:
        return ""
    thumbprint = confirmation.get("jkt") if isinstance(confirmation, Mapping) else None
    if not isinstance(thumbprint, str) or not _THUMBPRINT.fullmatch(thumbprint):
        raise InvalidClaim("The token is bound in another way than to a DPoP key.")
    return thumbprint


def find_claim(claims: Mapping[str, object], path: str) -> object:
    """Return the claim of this whole name or, if there is none, the one at this dotted path; None if neither is there.

    Names may have dots themselves: of several ways to read a path, the one with the longest first name counts.

    >>> find_claim({"realm_access": {"roles": ["ml"]}}, "realm_access.roles")
    ['ml']
    >>> find_claim({"https://example.org/groups": ["ml"]}, "https://example.org/groups")
    ['ml']
    >>> find_claim({"kubernetes.io": {"namespace": "ml"}}, "kubernetes.io.namespace")
    'ml'
    """
    if path in claims:
        return claims[path]
    name = path
    while "." in name:
        name = name.rpartition(".")[0]
        below = claims.get(name)
        if isinstance(below, Mapping) and (found := find_claim(below, path[len(name) + 1 :])) is not None:
            return found
    return None


def _matches(found: object, patterns: str | list[str]) -> bool:
    values = found if isinstance(found, list) else [found]
    wanted = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    return any(_pattern(one).fullmatch(text) for one in wanted for text in map(_as_text, values) if text is not None)


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def _user(claims: VerifiedClaims, mapping: ClaimMapping) -> str:
    # Anyone can enter another's address at many providers: only a verified one names a person (OpenID Core 5.7).
    if mapping.user == "email" and claims.get("email_verified") is not True:
        raise InvalidClaim(
            "The token's email is not marked as verified, so it names nobody.",
            hint="Map another claim to the user, such as sub.",
        )
    return text_claim({mapping.user: find_claim(claims, mapping.user)}, mapping.user, limit=MAX_TEXT_CHARS)


def _groups(claims: VerifiedClaims, mapping: ClaimMapping) -> tuple[str, ...]:
    found = find_claim(claims, mapping.groups) if mapping.groups else None
    groups = _texts([found] if isinstance(found, str) else found or [], mapping.groups or "")
    if len(groups) > MAX_GROUPS:
        raise InvalidClaim(
            f"The token has {len(groups):,} groups, at most {MAX_GROUPS} are read.",
            hint="Let the provider send the groups of this application alone.",
        )
    return groups


def _tags(claims: VerifiedClaims, mapping: ClaimMapping) -> dict[str, str]:
    found = {tag: find_claim(claims, claim) for tag, claim in mapping.attributes.items()}
    return {tag: _scalar(value, mapping.attributes[tag]) for tag, value in found.items() if value is not None}


def _scalar(value: object, claim: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return text_claim({claim: value}, claim, limit=MAX_TEXT_CHARS)


def _optional_text(claims: VerifiedClaims, name: str) -> str | None:
    return None if claims.get(name) is None else text_claim(claims, name, limit=MAX_TEXT_CHARS)


def _texts(value: object, claim: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InvalidClaim(f"The token's claim {claim[:80]!r} is not a list of texts.")
    return tuple(text_claim({claim: one}, claim, limit=MAX_TEXT_CHARS) for one in cast("list[object]", value))
