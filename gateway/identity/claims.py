"""Checks what a verified signature says: issuer, audience, time (RFC 7519 4.1)."""

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import NewType

from gateway.errors import InvalidClaim, TokenExpired, TokenNotYetValid, WrongAudience
from gateway.identity.jws import SignedClaims

VerifiedClaims = NewType("VerifiedClaims", Mapping[str, object])
"""Claims that were signed by the issuer's key, for us, and hold now."""

MAX_SUBJECT_CHARS = 255
"""OpenID Connect Core 1.0, 2."""

_UTC = "%Y-%m-%dT%H:%M:%SZ"


def check_claims(
    claims: SignedClaims, *, audiences: Collection[str], leeway: timedelta, now: datetime
) -> VerifiedClaims:
    """Return the claims once they hold for us, now.

    Raises:
        WrongAudience: the token was made for somebody else.
        TokenExpired: `exp` has passed.
        TokenNotYetValid: `nbf` or `iat` is to come.
        InvalidClaim: one that is required is missing, or is of another type.
    """
    check_audience(claims, audiences)
    check_not_expired(claims, now=now - leeway)
    _check_begun(claims, now=now + leeway)
    text_claim(claims, "sub", limit=MAX_SUBJECT_CHARS)
    return VerifiedClaims(claims)


def text_claim(claims: Mapping[str, object], name: str, *, limit: int) -> str:
    """Return a claim that has to be a printable text.

    Raises:
        InvalidClaim: it is missing, empty, too long, or has control characters.
    """
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise InvalidClaim(f"The token's claim {name[:80]!r} is not a printable text of 1 to {limit} characters.")
    return value


def time_claim(claims: Mapping[str, object], name: str, *, required: bool = False) -> datetime | None:
    """Return a NumericDate (RFC 7519 2: seconds since 1970 in UTC, fractions allowed), or None if there is none.

    Raises:
        InvalidClaim: it is no number, or no date, or missing and required.
    """
    if name not in claims and not required:
        return None
    if name not in claims:
        raise InvalidClaim(f"The token has no {name}.")
    value = claims[name]
    # bool is a number in Python; true is no date
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidClaim(f"The token's claim {name} is not a number of seconds.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise InvalidClaim(f"The token's claim {name} is no date.") from error


def check_audience(claims: Mapping[str, object], audiences: Collection[str]) -> None:
    """Refuse a token that was made for somebody else (RFC 7519 4.1.3: `aud` is a text, or a list of them).

    Raises:
        WrongAudience: none of `audiences` is among its own.
    """
    if not is_for(claims, audiences):
        named = _audiences(claims)
        expected = " or ".join(repr(one) for one in sorted(audiences))
        got = ", ".join(repr(one[:80]) for one in named[:5] if isinstance(one, str)) or "none"
        raise WrongAudience(
            f"The token's audience is wrong: expected {expected}, got {got}.",
            hint="Ask the provider for a token for this gateway, or add the audience to the issuer's settings.",
        )


def is_for(claims: Mapping[str, object], audiences: Collection[str]) -> bool:
    """Tell whether one of `audiences` is among the token's own.

    >>> is_for({"aud": ["gateway", "other"]}, ["gateway"]), is_for({}, ["gateway"])
    (True, False)
    """
    return any(isinstance(one, str) and one in audiences for one in _audiences(claims))


def check_age(claims: Mapping[str, object], most: timedelta | None, *, leeway: timedelta, now: datetime) -> None:
    """Refuse a token that was issued longer ago than the settings allow, whatever its `exp` says.

    Raises:
        TokenExpired: it was.
        InvalidClaim: it does not say when.
    """
    if most is None:
        return
    issued = time_claim(claims, "iat", required=True)
    if issued is None or now > issued + most + leeway:
        raise TokenExpired(
            f"The token was issued at {issued:{_UTC}}, more than {most.total_seconds():,.0f} s ago.",
            hint="Get a fresh token of the provider.",
        )


def check_not_expired(claims: Mapping[str, object], *, now: datetime) -> None:
    """Refuse a token at and after its `exp`, which is exclusive (RFC 7519 4.1.4).

    Raises:
        TokenExpired: it has passed.
        InvalidClaim: there is none.
    """
    expires = time_claim(claims, "exp")
    if expires is None:
        raise InvalidClaim("The token has no exp: a token without an end is refused.")
    if now >= expires:
        raise TokenExpired(f"The token expired at {expires:{_UTC}}.", hint="Log in again: gateway login.")


def _check_begun(claims: Mapping[str, object], *, now: datetime) -> None:
    for name in ("nbf", "iat"):
        begins = time_claim(claims, name)
        if begins is not None and now < begins:
            raise TokenNotYetValid(
                f"The token's {name} is {begins:{_UTC}}, which is to come.",
                hint="Compare the clocks of the provider and the gateway.",
            )


def _audiences(claims: Mapping[str, object]) -> list[object]:
    claimed = claims.get("aud")
    return claimed if isinstance(claimed, list) else [claimed]
