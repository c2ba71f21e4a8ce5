"""The rules: each looks at one event and at what it remembers of the principal, and may raise an alert. Pure.

A rule that has told of something tells of the same again only an hour later, or when it has begun anew: a finding is
for a person to read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from gateway.audit.detection.memory import Note
from gateway.audit.detection.seen import Seen
from gateway.settings import DetectionSettings

_HOUR = 3600
_LEAST_HOURS = 5
"""How many hours of history make a habit."""
_LONGEST_HABIT = 168
"""A week of active hours: what is older fades."""
_EVIDENCE = 20
"""How many events a finding names; of more, the last."""
_MOST_NETWORKS = 64
_REVOKED = frozenset({"revoked", "token-revoked"})

LOW, MEDIUM, HIGH = 2, 3, 4
"""OCSF's severities."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something suspicious."""

    rule: str
    title: str
    severity: int
    seen: Seen
    """The event that gave the last reason."""
    evidence: tuple[str, ...]
    """The ids of the events that it rests on, oldest first."""


Look = Callable[[Seen, Note], Alert | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A name, what the rule looks at, and of whom it remembers."""

    name: str
    look: Look
    of: Callable[[Seen], str] = lambda seen: seen.principal


def rules_of(settings: DetectionSettings) -> tuple[Rule, ...]:
    """Return all rules, with the settings' limits."""
    return (
        Rule("unusual-volume", _volume(settings)),
        Rule("refusal-burst", _refusals(settings)),
        Rule("new-network", _network),
        Rule("new-issuer", _issuer, of=lambda _: ""),
        Rule("revoked-use", _revoked),
        Rule("restricted-at-scale", _restricted(settings)),
        Rule("change-out-of-hours", _change(settings)),
    )


def _volume(settings: DetectionSettings) -> Look:
    """Reads in an hour, far above those of the principal's own active hours before."""

    def look(seen: Seen, note: Note) -> Alert | None:
        if not seen.reads:
            return None
        hour = _seconds(seen.at) // _HOUR
        if hour != note.get("hour"):
            _close_hour(note)
            note.update(hour=hour, count=0, told=False, evidence=[])
        note["count"] += seen.reads
        _remember(note, seen)
        usual, hours = note.get("mean", 0.0), note.get("hours", 0)
        most = max(settings.volume_least, settings.volume_factor * usual)
        if note["told"] or hours < _LEAST_HOURS or note["count"] <= most:
            return None
        note["told"] = True
        title = f"{seen.name} read {note['count']} files within the hour, and usually reads {usual:.0f}."
        return _alert("unusual-volume", title, MEDIUM, seen, note)

    return look


def _close_hour(note: Note) -> None:
    """Add the hour that is over to the habit."""
    if "hour" in note:
        hours = min(note.get("hours", 0) + 1, _LONGEST_HABIT)
        mean = note.get("mean", 0.0)
        note.update(hours=hours, mean=mean + (note["count"] - mean) / hours)


def _refusals(settings: DetectionSettings) -> Look:
    """Many refusals of one principal, or to one address where nobody was verified."""

    def look(seen: Seen, note: Note) -> Alert | None:
        if not seen.refused:
            return None
        since = _seconds(seen.at) - settings.refusals_within.total_seconds()
        recent = [one for one in note.get("recent", []) if one[0] > since]
        recent.append([_seconds(seen.at), seen.uid])
        note["recent"] = recent
        if len(recent) < settings.refusals:
            return None
        note["recent"] = []
        title = f"{_whom(seen)} was refused {len(recent)} times within {_span(settings.refusals_within)}."
        return Alert("refusal-burst", title, MEDIUM, seen, tuple(uid for _, uid in recent[-_EVIDENCE:]))

    return look


def _network(seen: Seen, note: Note) -> Alert | None:
    """A principal from a network that it never came from."""
    if seen.refused or not seen.subject or not seen.network:
        return None
    known = note.setdefault("known", [])
    if seen.network in known:
        return None
    note["known"] = [*known, seen.network][-_MOST_NETWORKS:]
    title = f"{seen.name} came from {seen.network} for the first time."
    return Alert("new-network", title, LOW, seen, (seen.uid,)) if known else None


def _issuer(seen: Seen, note: Note) -> Alert | None:
    """A principal of an issuer of which nobody ever came."""
    if seen.refused or not seen.issuer:
        return None
    known = note.setdefault("known", [])
    if seen.issuer in known:
        return None
    note["known"] = [*known, seen.issuer]
    title = f"{seen.name} is the first to come through {seen.issuer}."
    return Alert("new-issuer", title, MEDIUM, seen, (seen.uid,)) if known else None


def _revoked(seen: Seen, note: Note) -> Alert | None:
    """Somebody used what was taken back."""
    if seen.code not in _REVOKED:
        return None
    hour = _seconds(seen.at) // _HOUR
    if note.get("hour") == hour:
        return None
    note["hour"] = hour
    return Alert("revoked-use", f"{_whom(seen)} used what was revoked.", HIGH, seen, (seen.uid,))


def _restricted(settings: DetectionSettings) -> Look:
    """Many files of restricted data, read by one principal."""

    def look(seen: Seen, note: Note) -> Alert | None:
        if not seen.restricted or not seen.reads:
            return None
        since = _seconds(seen.at) - settings.restricted_within.total_seconds()
        minute = _seconds(seen.at) // 60 * 60
        counts = {start: count for start, count in note.get("counts", []) if start > since}
        counts[minute] = counts.get(minute, 0) + seen.reads
        _remember(note, seen)
        note["counts"] = list(counts.items())
        read = sum(counts.values())
        if read < settings.restricted_reads:
            return None
        title = f"{seen.name} read {read} restricted files within {_span(settings.restricted_within)}."
        alert = _alert("restricted-at-scale", title, HIGH, seen, note)
        note.update(counts=[], evidence=[])
        return alert

    return look


def _change(settings: DetectionSettings) -> Look:
    """Policies or keys, changed when nobody should be at work."""

    def look(seen: Seen, note: Note) -> Alert | None:
        del note
        if not seen.change or _is_open(settings, seen.at):
            return None
        by = f" by {seen.name}" if seen.name else ""
        title = f"The {seen.change} were changed{by} out of hours, at {seen.at:%A %H:%M} UTC."
        return Alert("change-out-of-hours", title, MEDIUM, seen, (seen.uid,))

    return look


def _is_open(settings: DetectionSettings, at: datetime) -> bool:
    now: time = at.time()
    return at.weekday() in settings.change_days and settings.change_from <= now < settings.change_until


def _alert(rule: str, title: str, severity: int, seen: Seen, note: Note) -> Alert:
    return Alert(rule, title, severity, seen, tuple(note["evidence"]))


def _remember(note: Note, seen: Seen) -> None:
    note["evidence"] = [*note.get("evidence", []), seen.uid][-_EVIDENCE:]


def _whom(seen: Seen) -> str:
    return seen.name or f"Somebody at {seen.address or 'an unknown address'}"


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _span(within: timedelta) -> str:
    return f"{within.total_seconds() / 60:g} minutes"
