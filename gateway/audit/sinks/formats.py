"""How events are written for those who read them: OCSF as they are, Elastic's ECS, or ArcSight's CEF. Pure."""

import json
import re
from collections.abc import Mapping

from gateway import __version__
from gateway.audit.entry import Entry, read_entry
from gateway.audit.ocsf import PRODUCT
from gateway.audit.record import Record
from gateway.audit.sinks.target import Encoder

ECS_VERSION = "8.17.0"

_CATEGORIES = {
    2004: (["intrusion_detection"], ["info"]),
    3001: (["iam"], ["change"]),
    3002: (["authentication"], ["start"]),
    6002: (["configuration"], ["change"]),
    6003: (["api"], ["access"]),
    6005: (["file"], ["access"]),
}
"""ECS's `event.category` and `event.type` for each of OCSF's classes that we write."""
_TYPES = {"Create": "creation", "Update": "change", "Delete": "deletion"}
_FINDING = 2004
_CEF_SEVERITIES = {1: 1, 2: 4, 3: 6, 4: 8, 5: 10, 6: 10}
"""OCSF's severity to CEF's, of which 0-3 is low, 4-6 medium, 7-8 high, 9-10 very high."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")

Event = Mapping[str, object]


def ocsf(record: Record) -> bytes:
    """Return the event as the journal has it."""
    return bytes(record.event)


def ecs(record: Record) -> bytes:
    """Return the event in the Elastic Common Schema. What it has no field for goes below `labels`, as ECS wants it."""
    event, entry = record.read_event(), read_entry(record)
    user = _mapping(event, "actor", "user") or _mapping(event, "user")
    found = {
        "@timestamp": entry.time.isoformat().replace("+00:00", "Z") if entry.time else None,
        "ecs": {"version": ECS_VERSION},
        "message": event.get("message"),
        "event": _ecs_event(event, entry),
        "user": {"id": user.get("uid"), "name": entry.who, "domain": user.get("domain"), "roles": _groups(user)},
        "source": {"ip": _mapping(event, "src_endpoint").get("ip"), "address": entry.origin},
        "related": {"user": [entry.who] if entry.who else [], "ip": _addresses(event)},
        "service": {"name": PRODUCT["name"], "type": "ml-data-gateway", "version": __version__},
        "labels": {
            "resource": entry.resource,
            "version": _mapping(event, "resources").get("version") or _mapping(event, "databucket").get("version"),
            "decision": _mapping(event, "authorizations").get("decision"),
            "statement": _mapping(event, "authorizations", "policy").get("name"),
            "request_id": _mapping(event, "metadata").get("correlation_uid"),
        },
    }
    return json.dumps(_without_gaps(found), ensure_ascii=False, separators=(",", ":")).encode()


def cef(record: Record) -> bytes:
    """Return the event in the Common Event Format, version 0."""
    event, entry = record.read_event(), read_entry(record)
    severity = event.get("severity_id")
    header = (
        "CEF:0",
        PRODUCT["vendor_name"],
        PRODUCT["name"],
        __version__,
        event.get("type_uid", 0),
        f"{event.get('class_name', '')}: {entry.action}",
        _CEF_SEVERITIES.get(severity, 5) if isinstance(severity, int) else 5,
    )
    extension = {
        "rt": event.get("time"),
        "externalId": _mapping(event, "metadata").get("uid"),
        "suser": entry.who,
        "suid": _mapping(event, "actor", "user").get("uid"),
        "src": _mapping(event, "src_endpoint").get("ip"),
        "act": entry.action,
        "outcome": str(event.get("status") or "").lower(),
        "reason": event.get("status_code"),
        "cs1Label": "resource" if entry.resource else None,
        "cs1": entry.resource,
        "cs2Label": "decision" if entry.decision else None,
        "cs2": entry.decision,
        "cs3Label": "requestId",
        "cs3": _mapping(event, "metadata").get("correlation_uid"),
        "msg": event.get("message"),
    }
    pairs = " ".join(f"{name}={_cef_value(value)}" for name, value in extension.items() if value not in {None, ""})
    return "|".join([*(_cef_header(part) for part in header), pairs]).encode()


FORMATS: Mapping[str, Encoder] = {"ocsf": ocsf, "ecs": ecs, "cef": cef}
"""By the name that the settings know."""


def _ecs_event(event: Event, entry: Entry) -> Event:
    class_uid = event.get("class_uid")
    categories, types = _CATEGORIES.get(class_uid, ([], ["info"])) if isinstance(class_uid, int) else ([], ["info"])
    activity = _TYPES.get(str(event.get("activity_name")))
    allowed = {"Allowed": ["allowed"], "Denied": ["denied"]}.get(str(event.get("action")), [])
    return {
        "id": _mapping(event, "metadata").get("uid"),
        "kind": "alert" if class_uid == _FINDING else "event",
        "category": categories,
        "type": ([activity] if activity else types) + allowed,
        "action": entry.action,
        "outcome": {"Success": "success", "Failure": "failure"}.get(str(event.get("status")), "unknown"),
        "reason": event.get("status_code"),
        "dataset": "ml-data-gateway.audit",
        "module": "ml-data-gateway",
        "severity": event.get("severity_id"),
        "sequence": entry.seq,
    }


def _mapping(value: object, *path: str) -> Event:
    """Return the object at the path, of the first element where there is a list; empty if there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, list):
            value = value[0] if value else None
    return value if isinstance(value, Mapping) else {}


def _groups(user: Event) -> list[object]:
    groups = user.get("groups")
    return (
        [one["name"] for one in groups if isinstance(one, dict) and "name" in one] if isinstance(groups, list) else []
    )


def _addresses(event: Event) -> list[object]:
    address = _mapping(event, "src_endpoint").get("ip")
    return [address] if address else []


def _without_gaps(value: object) -> object:
    """Drop what is not known, for ECS has no word for it."""
    if not isinstance(value, dict):
        return value
    kept = {name: _without_gaps(inner) for name, inner in value.items()}
    return {name: inner for name, inner in kept.items() if inner not in (None, "", [], {})}


def _cef_header(value: object) -> str:
    return _CONTROL.sub(" ", str(value)).replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(value: object) -> str:
    return _CONTROL.sub(" ", str(value)).replace("\\", "\\\\").replace("=", "\\=")
