"""What detection sees of an event: the few facts that its rules ask for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network

from gateway.audit.canonical import decode_event
from gateway.audit.entry import time_of
from gateway.audit.ocsf import EventClass
from gateway.audit.record import Record

FINDING = EventClass.FINDING.value[0]
_LIFECYCLE = EventClass.LIFECYCLE.value[0]
_AUTHENTICATION = EventClass.AUTHENTICATION.value[0]
_ACCOUNT, _KEY_REPLACED = EventClass.ACCOUNT.value[0], 3
_PREFIXES = {4: 24, 6: 48}
"""How much of an address is a network: what one site usually has."""
_RESTRICTED = "restricted"
_READ = "gateway:ReadFile"
_KEY_CHANGES = frozenset(
    f"gateway:{verb}" for verb in ("RotateKey", "ReencryptObjects", "ShredKey", "ApproveShred", "UndoShred")
)
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """An event, as rules see it."""

    uid: str
    at: datetime
    issuer: str
    subject: str
    name: str
    """Who, for people to read; empty if nobody was verified."""
    address: str
    network: str
    resource: str
    reads: int
    """How many files were let out by this event."""
    refused: bool
    code: str
    restricted: bool
    """Whether it is about data that its owners call restricted."""
    change: str
    """What was changed, if it was policies or keys."""

    @property
    def principal(self) -> str:
        """A key for whom it is about: the principal, or the address where nobody was verified."""
        return f"{self.issuer}/{self.subject}" if self.subject else f"@{self.address}"


def see(record: Record) -> Seen | None:
    """Return what there is to see in a record; nothing in findings themselves, or without a time."""
    event = decode_event(record.event)
    at = time_of(event)
    if at is None or event.get("class_uid") == FINDING:
        return None
    user = _at(event, "actor", "user") or _at(event, "user")
    thing = _at(event, "resources") or _at(event, "databucket")
    refused = event.get("action") == "Denied" or (
        event.get("class_uid") == _AUTHENTICATION and event.get("status") == "Failure"
    )
    address = _text(_at(event, "src_endpoint"), "ip")
    known = _text(user, "name") != _UNKNOWN
    return Seen(
        uid=_text(_at(event, "metadata"), "uid"),
        at=at,
        issuer=_text(user, "domain"),
        subject=_text(user, "uid") if known else "",
        name=_text(user, "name") if known else "",
        address=address,
        network=_network(address),
        resource=_text(thing, "uid"),
        reads=_reads(event),
        refused=refused,
        code=_text(event, "status_code"),
        restricted=_is_restricted(thing),
        change=_change(event),
    )


def _reads(event: Mapping[str, object]) -> int:
    if _text(_at(event, "api"), "operation") != _READ or event.get("status") != "Success":
        return 0
    links = _at(event, "api", "response", "data").get("links")
    return links if isinstance(links, int) else 1


def _change(event: Mapping[str, object]) -> str:
    if event.get("class_uid") == _LIFECYCLE and _text(_at(event, "app"), "uid") == "policies":
        return "policies"
    if (event.get("class_uid"), event.get("activity_id")) == (_ACCOUNT, _KEY_REPLACED):
        return "keys"
    is_done = event.get("action") == "Allowed" and event.get("status") == "Success"
    return "keys" if is_done and _text(_at(event, "api"), "operation") in _KEY_CHANGES else ""


def _is_restricted(thing: Mapping[str, object]) -> bool:
    tags = thing.get("tags")
    return isinstance(tags, list) and {"name": "sensitivity", "value": _RESTRICTED} in tags


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        return str(ip_network((address, _PREFIXES[ip_address(address).version]), strict=False))
    except ValueError:
        return ""


def _at(value: object, *path: str) -> Mapping[str, object]:
    """Return the object at the path, of the first element where there is a list; empty if there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, list):
            value = value[0] if value else None
    return value if isinstance(value, Mapping) else {}


def _text(value: Mapping[str, object], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
