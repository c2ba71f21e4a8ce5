"""Checks that a login is as strong and as recent as the issuer's settings ask, and its token bound if it must be."""

from datetime import datetime

from gateway.errors import InvalidDpopProof, StepUpRequired
from gateway.model import Principal
from gateway.settings import IssuerSettings

_HINT = "Log in again in the way that is asked for: gateway login."


def check_login(principal: Principal, settings: IssuerSettings, *, now: datetime) -> None:
    """Refuse a login that another one of the same person could replace (RFC 9470).

    Raises:
        StepUpRequired: it is of another class, lacks a method, or is too long ago; says which would do.
    """
    if settings.required_acr and principal.acr not in settings.required_acr:
        expected = " or ".join(map(repr, settings.required_acr))
        raise StepUpRequired(
            f"The login's acr is wrong: expected {expected}, got {str(principal.acr)[:80]!r}.",
            hint=_HINT,
            acr_values=tuple(settings.required_acr),
        )
    missing = tuple(method for method in settings.required_amr if method not in principal.amr)
    if missing:
        raise StepUpRequired(f"The login's amr lacks {', '.join(missing)}.", hint=_HINT, amr_values=missing)
    if settings.max_login_age is not None:
        oldest = now - settings.max_login_age - settings.leeway
        if principal.auth_time is None or principal.auth_time < oldest:
            seconds = int(settings.max_login_age.total_seconds())
            raise StepUpRequired(
                f"The login is older than {seconds:,} s, or does not say when it was.",
                hint=_HINT,
                max_age=settings.max_login_age,
            )


def check_binding(principal: Principal, settings: IssuerSettings) -> None:
    """Refuse a bearer token of an issuer whose tokens must be bound to a key.

    Raises:
        InvalidDpopProof: it is one.
    """
    if settings.dpop == "required" and not principal.key_thumbprint:
        raise InvalidDpopProof(
            f"Tokens of the issuer {settings.alias} must be bound to a key (DPoP), and this one is not.",
            hint="Log in with --dpop.",
        )
