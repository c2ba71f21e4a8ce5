"""Asks whether a login was taken back: its subject, client or issuer, or one of the tokens that led to it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.errors import Revoked, TokenRevoked
from gateway.model import Mark, Principal, RevocationKind
from gateway.ports import Revocations

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def login_marks(principal: Principal) -> tuple[Mark, ...]:
    """Return all that a login hangs on.

    >>> from gateway.model import PrincipalKind
    >>> ada = Principal("people", "1", PrincipalKind.USER, "ada", client_id="cli", token_id="t2", origins=("t1",))
    >>> [str(mark.value) for mark in login_marks(ada)]
    ['people', 'people/1', 'people/cli', 't1', 't2']
    """
    marks = [
        Mark(RevocationKind.ISSUER, principal.issuer),
        Mark(RevocationKind.SUBJECT, f"{principal.issuer}/{principal.subject}"),
    ]
    if principal.client_id:
        marks.append(Mark(RevocationKind.CLIENT, f"{principal.issuer}/{principal.client_id}"))
    # What was exchanged from a revoked token is revoked with it.
    marks += [Mark(RevocationKind.TOKEN, one) for one in (*principal.origins, principal.token_id) if one]
    return tuple(marks)


async def check_in_force(principal: Principal, marks: Sequence[Mark], revocations: Revocations) -> None:
    """Return if nobody took the login back, which hangs on these marks.

    A token that does not say when it was issued is taken for an old one.

    Raises:
        TokenRevoked: somebody did.
        StateUnavailable: we cannot know.
    """
    try:
        await revocations.check(marks, issued_at=principal.login_at or _LONG_AGO)
    except Revoked as error:
        raise TokenRevoked("This login was revoked.", hint="Log in again, or ask who runs the gateway why.") from error
