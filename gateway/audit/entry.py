"""A record as a person reads it: who, what, when, and how it was decided. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.audit.record import Record

_GONE_WRONG = (OverflowError, OSError, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing. Texts are fit for a terminal: nothing in them moves the cursor."""

    seq: int
    time: datetime | None
    who: str
    action: str
    resource: str
    decision: str
    """`Allowed`, `Denied`, or what kind of event it is otherwise."""
    status: str
    """`Success`, `Intended`, or `Failure` with its code."""
    origin: str


def read_entry(record: Record) -> Entry:
    """Return the record's entry; what its event does not say is empty."""
    event = record.read_event()
    status, code = _text(event, "status"), _text(event, "status_code")
    return Entry(
        seq=record.seq,
        time=time_of(event),
        who=_text(event, "actor", "user", "name") or _text(event, "user", "name") or _text(event, "app", "uid"),
        action=_text(event, "api", "operation") or _text(event, "activity_name"),
        resource=_text(event, "resources", "uid") or _text(event, "databucket", "uid"),
        decision=_text(event, "action") or _text(event, "class_name"),
        status=f"{status} ({code})" if code else status,
        origin=_text(event, "src_endpoint", "ip") or _text(event, "src_endpoint", "name"),
    )


def read_time(record: Record) -> datetime | None:
    """Return when the record's event happened, if it says so."""
    return time_of(record.read_event())


def time_of(event: Mapping[str, object]) -> datetime | None:
    """Return when an event happened, if it says so."""
    try:
        return datetime.fromtimestamp(event["time"] / 1000, UTC)  # type: ignore[operator]  # caught
    except (KeyError, *_GONE_WRONG):
        return None


def is_by(record: Record, *, issuer: str, subject: str, action: str) -> bool:
    """Tell whether the record is of this principal doing this."""
    event = record.read_event()
    found = tuple(
        _text(event, *path) for path in (("actor", "user", "domain"), ("actor", "user", "uid"), ("api", "operation"))
    )
    return found == (issuer, subject, action)


def _text(value: object, *path: str) -> str:
    """Return the text at the path, of the first element where there is a list."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, list):
            value = value[0] if value else None
    return (
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value) if isinstance(value, str) else ""
    )
