"""Which models were published by principals who had read a version before. Pure: from events alone.

An event tells that somebody read, and that the same somebody published later; whether the one went into the other is
theirs to say. It is likelier where both were done with one token, as in a training job.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from gateway.audit.question import Find, Found, Question, every

_READ, _PUBLISH = "gateway:ReadFile", "gateway:PublishVersion"


@dataclass(frozen=True, slots=True)
class Published:
    """A version that may descend from the one that was read."""

    name: str
    version: str
    at: datetime
    issuer: str
    who: str
    read_at: datetime
    """When they first read."""
    one_session: bool
    """Whether one token did both."""
    evidence: tuple[str, str]
    """The ids of both events."""


@dataclass(slots=True)
class _Reader:
    """Somebody who read the version."""

    first: Found
    sessions: dict[str, Found] = field(default_factory=dict)
    """Their first read with each token."""


def descendants(find: Find, name: str, version: str) -> list[Published]:
    """Return what was published by those who had read this version, newest first.

    Args:
        find: Where to look.
        name: A dataset or model, as `dataset/vision/digits`.
        version: Its version, as `v3`.
    """
    readers = _readers(find, name, version)
    found = [one for key, reader in readers.items() for one in _published(find, key, reader)]
    return sorted(found, key=lambda one: (one.at, one.name), reverse=True)


def _readers(find: Find, name: str, version: str) -> dict[tuple[str, str], _Reader]:
    """Return who read the version, by issuer and subject."""
    readers: dict[tuple[str, str], _Reader] = {}
    for event in every(find, Question(resource=name, version=version, action=_READ)):
        if not event.refused:
            reader = readers.setdefault((event.issuer, event.subject), _Reader(event))
            # Newest first, so what stays is the first.
            reader.first = reader.sessions[event.session] = event
    return readers


def _published(find: Find, key: tuple[str, str], reader: _Reader) -> Iterator[Published]:
    issuer, subject = key
    asked = Question(issuer=issuer, who=subject, action=_PUBLISH, since=reader.first.at)
    for event in every(find, asked):
        if event.subject != subject or event.refused or not event.version or event.status != "Success":
            continue
        read = reader.sessions.get(event.session)
        same = read is not None and event.session != "" and read.time <= event.time
        read = read if read is not None and same else reader.first
        yield Published(event.name, event.version, event.at, issuer, event.who, read.at, same, (read.uid, event.uid))
