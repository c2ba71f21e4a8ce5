"""Takes back what was given out: a link, a lease, all of a principal's, all of a dataset's; everywhere in seconds."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from gateway.audit import event
from gateway.broker.access import Caller, Guard
from gateway.clock import Clock
from gateway.errors import InvalidInput
from gateway.model import Principal, ResourceName, Revocation, RevocationKind
from gateway.ports import Revocations

SLACK = timedelta(seconds=5)
"""How long another instance may issue on a mark without knowing; what it issues meanwhile is revoked as well."""
KEPT = timedelta(days=31)
"""Longer than anything lives that we issue."""
LOGINS_KEPT = timedelta(days=400)
"""Longer than issuers' tokens should live; `max_token_age` in an issuer's settings sees to it that they do not."""
MAX_FREEZE = timedelta(days=30)

_LOGINS = frozenset({RevocationKind.SUBJECT, RevocationKind.TOKEN, RevocationKind.CLIENT, RevocationKind.ISSUER})

_ID = r"[0-9a-f]{32}"
_ALIAS = r"[a-z0-9][a-z0-9-]{0,31}"
_TEXT = r"[^\x00-\x1f\x7f]{1,255}"
_FORMS = {
    RevocationKind.LINK: (_ID, "32 hex digits, as the audit journal names it"),
    RevocationKind.LEASE: (_ID, "32 hex digits, as 'gateway lease ls' shows it"),
    RevocationKind.PRINCIPAL: (f"{_ALIAS}/{_TEXT}", "ISSUER/NAME, like people/ada"),
    RevocationKind.SUBJECT: (f"{_ALIAS}/{_TEXT}", "ISSUER/SUBJECT, as the audit journal names them"),
    RevocationKind.CLIENT: (f"{_ALIAS}/{_TEXT}", "ISSUER/CLIENT"),
    RevocationKind.ISSUER: (_ALIAS, "an issuer's alias"),
    RevocationKind.TOKEN: (_TEXT, "the token's jti"),
}


def revocation_of(
    kind: RevocationKind,
    value: str,
    *,
    at: datetime,
    by: Principal,
    freeze: timedelta = timedelta(0),
    before: datetime | None = None,
    until: datetime | None = None,
) -> Revocation:
    """Return the revocation of all that was issued so far, or up to `before`, and that is issued while it is frozen."""
    last = before or at + max(freeze, SLACK)
    kept = LOGINS_KEPT if kind in _LOGINS else KEPT
    return Revocation(kind, value, last, (until or max(last, at)) + kept, f"{by.issuer}/{by.name}")


def check_value(kind: RevocationKind, value: str) -> str:
    """Return `value` if it can name a thing of this kind, in its one spelling.

    >>> check_value(RevocationKind.PRINCIPAL, "people/ada")
    'people/ada'

    Raises:
        InvalidInput: it cannot; a revocation that never matches would be no revocation.
    """
    if kind is RevocationKind.RESOURCE:
        return str(ResourceName.parse(value))
    form, words = _FORMS[kind]
    if not re.fullmatch(form, value):
        raise InvalidInput(f"{value[:80]!r} names no {kind}.", hint=f"Write {words}.")
    return value


class Revoke:
    """The revocation use case."""

    def __init__(self, guard: Guard, revocations: Revocations, clock: Clock) -> None:
        self._guard = guard
        self._revocations = revocations
        self._clock = clock

    async def revoke(
        self, caller: Caller, kind: RevocationKind, value: str, *, freeze: timedelta, before: datetime | None = None
    ) -> Revocation:
        """Revoke what was issued on this mark until now, or up to `before`, and what is asked for while it is frozen.

        Policy is asked on the dataset or model itself, else on `<kind>/<value>`: `link/<id>`, `subject/<issuer>/<sub>`.

        Raises:
            AccessDenied: policy says no.
            InvalidInput: the value names no such thing, it shall be frozen for too long, or `before` is to come.
        """
        checked = check_value(kind, value)
        about = checked if kind is RevocationKind.RESOURCE else f"{kind}/{checked}"
        async with self._guard.changing(caller, "gateway:Revoke", about) as grant:
            if not timedelta(0) <= freeze <= MAX_FREEZE:
                raise InvalidInput("It cannot be frozen for so long.", hint=f"Ask for up to {MAX_FREEZE.days} days.")
            now = self._clock()
            if before is not None and (before > now or freeze):
                raise InvalidInput(
                    "'issued_before' has passed, and goes with no freeze.", hint="Leave one of them out."
                )
            revocation = revocation_of(kind, checked, at=now, by=caller.principal, freeze=freeze, before=before)
            grant.facts["freeze_seconds"] = int(freeze.total_seconds())
            await self._revocations.add(revocation)
            if kind in _LOGINS or kind is RevocationKind.PRINCIPAL:
                grant.consequences.append(_disabled(caller, revocation, at=self._clock()))
            return revocation


def _disabled(caller: Caller, revocation: Revocation, *, at: datetime) -> Mapping[str, object]:
    """Return the event of an account, or of several, being shut out."""
    issuer, whom = _accounts(revocation)
    origin = caller.origin
    return event.account_disabled(
        caller.principal,
        issuer,
        whom,
        at=at,
        request_id=origin.request_id,
        source_ip=origin.source_ip,
        frozen_until=revocation.issued_before,
    )


def _accounts(revocation: Revocation) -> tuple[str, str]:
    """Return the issuer of the accounts that a revocation shuts out, and whose they are."""
    alias, _, name = revocation.value.partition("/")
    match revocation.kind:
        case RevocationKind.ISSUER:
            return alias, "everybody"
        case RevocationKind.CLIENT:
            return alias, f"everybody at the client {name}"
        case RevocationKind.TOKEN:
            return "", f"the holder of the token {revocation.value}"
    return alias, name
