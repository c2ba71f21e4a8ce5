"""Questions to the audit, and what answers are made of. Pure, so that the client need not have DuckDB."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Self

from gateway.audit.ocsf import milliseconds
from gateway.errors import InvalidInput

MAX_PAGE = 1000
_MAX_TEXT = 2048
_PLACE = re.compile(r"([0-9]{1,14})\.([a-z0-9][a-z0-9-]{0,62})\.([0-9]{1,16})")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a page ends. Places are in the order of events."""

    time: int
    instance: str
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        >>> str(Place.parse("1767225600000.gateway-1.7"))
        '1767225600000.gateway-1.7'

        Raises:
            InvalidInput: it is no such thing.
        """
        found = _PLACE.fullmatch(text)
        if not found:
            raise InvalidInput(f"{text[:80]!r} is not where a page ended.", hint="Give 'next' of the page before.")
        return cls(int(found[1]), found[2], int(found[3]))

    @property
    def at(self) -> datetime:
        """When."""
        return _EPOCH + timedelta(milliseconds=self.time)

    def __str__(self) -> str:
        return f"{self.time}.{self.instance}.{self.seq}"


@dataclass(frozen=True, slots=True)
class Question:
    """Which events are asked for: those to which all that is given applies, newest first."""

    who: str = ""
    """A principal's name or subject."""
    issuer: str = ""
    resource: str = ""
    """A resource as policies name it, and all below it; a dataset or model under any version."""
    version: str = ""
    """The version that was meant, as `v3`, however it was asked for."""
    action: str = ""
    origin: str = ""
    """An address, or a network as `192.0.2.0/24` is not: each address is asked for by itself."""
    request: str = ""
    """A request's id."""
    refused: bool = False
    """Only what was refused or failed."""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late."""
    after: str = ""
    """Where the page before ended, as it said."""
    limit: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE:
            raise InvalidInput(f"A page has 1 to {MAX_PAGE} events, not {self.limit}.")
        texts = (self.who, self.issuer, self.resource, self.version, self.action, self.origin, self.request)
        if max(map(len, texts)) > _MAX_TEXT:
            raise InvalidInput(f"A name has at most {_MAX_TEXT} characters.")
        if any(moment is not None and moment.tzinfo is None for moment in (self.since, self.until)):
            raise InvalidInput("A time needs its zone.", hint="Write it like 2026-03-01T12:00:00Z.")
        if self.after:
            Place.parse(self.after)

    @property
    def place(self) -> Place | None:
        """Where the page before ended."""
        return Place.parse(self.after) if self.after else None

    @property
    def parameters(self) -> dict[str, str | int]:
        """All that is asked for, as it is written in a query.

        >>> Question(who="ada", refused=True).parameters
        {'who': 'ada', 'refused': 'true', 'limit': 100}
        """
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _written(value) for name, value in given.items() if value not in {"", None, False}}

    @property
    def address(self) -> str:
        """The origin in its one spelling, if it is an address."""
        try:
            return str(ip_address(self.origin))
        except ValueError:
            return self.origin


@dataclass(frozen=True, slots=True)
class Found:
    """An event, in columns. What it does not say is empty."""

    instance: str
    seq: int
    uid: str
    time: int
    """Milliseconds since 1970 UTC."""
    class_name: str
    who: str
    subject: str
    issuer: str
    kind: str
    """`User` or `Service`."""
    session: str
    """The id of the token that was shown."""
    action: str
    resource: str
    """As policy saw it."""
    name: str
    """The dataset or model."""
    version: str
    """What the reference came to."""
    decision: str
    """`Allowed` or `Denied`."""
    status: str
    code: str
    """Why it was refused or failed."""
    statements: str
    """What decided it."""
    origin: str
    request: str
    bytes: int
    """Bytes of plaintext that the gateway sent."""

    @property
    def at(self) -> datetime:
        """When."""
        return self.place.at

    @property
    def place(self) -> Place:
        """Where it stands among all events."""
        return Place(self.time, self.instance, self.seq)

    @property
    def refused(self) -> bool:
        """Whether it was refused or failed."""
        return self.decision == "Denied" or self.status == "Failure"


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first, and where to go on."""

    events: tuple[Found, ...]
    next: Place | None


Find = Callable[[Question], Page]
"""Answers a question, a page at a time: from files, or through the gateway."""


def every(find: Find, question: Question) -> Iterator[Found]:
    """Yield all events that are asked for, page by page."""
    asked = replace(question, limit=MAX_PAGE)
    while True:
        page = find(asked)
        yield from page.events
        if page.next is None:
            return
        asked = replace(asked, after=str(page.next))


def _written(value: object) -> str | int:
    match value:
        case datetime():
            return value.isoformat()
        case bool():
            return "true"
        case int():
            return value
    return str(value)


def bounds(question: Question) -> tuple[int | None, int | None]:
    """Return `since` and `until` in milliseconds."""
    since, until = question.since, question.until
    return milliseconds(since) if since else None, milliseconds(until) if until else None
