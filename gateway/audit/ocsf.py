"""The parts of the Open Cybersecurity Schema Framework that our events are made of (schema.ocsf.io).

Each function returns one OCSF object with the fields that we fill in, and no other: nothing is copied through.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address

from gateway import __version__
from gateway.model import AccessRequest, Decision, Principal, PrincipalKind, Version
from gateway.unique import unique_id

VERSION = "1.8.0"
"""The schema's version, which every event names."""

Object = dict[str, object]

PRODUCT: Object = {"name": "ML Data Gateway", "vendor_name": "ML Data Gateway", "version": __version__}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TEXT = 2048


class EventClass(Enum):
    """An event class: its uid, its caption, and its activities by number."""

    ACCOUNT = (3001, "Account Change", {3: "Password Change", 5: "Disable"})
    AUTHENTICATION = (3002, "Authentication", {1: "Logon"})
    FINDING = (2004, "Detection Finding", {1: "Create"})
    LIFECYCLE = (6002, "Application Lifecycle", {3: "Start", 4: "Stop", 8: "Update"})
    API = (6003, "API Activity", {1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other"})
    DATASTORE = (6005, "Datastore Activity", {1: "Read"})


_PROFILES = {EventClass.API: ["security_control", "trace"], EventClass.DATASTORE: ["security_control"]}
"""The classes whose events carry a decision, in the fields of OCSF's profile for security controls."""


class Status(Enum):
    """How it went: `status_id`, `status` and the severity that goes with it."""

    SUCCESS = (1, "Success", 1)
    FAILURE = (2, "Failure", 2)
    INTENDED = (99, "Intended", 1)
    """Allowed, and about to be done; the same request's completion follows."""
    NEW = (1, "New", 3)
    """Of a finding: nobody has looked at it."""


def milliseconds(moment: datetime) -> int:
    """Return OCSF's `timestamp_t`: milliseconds since 1970 UTC.

    >>> milliseconds(datetime(2026, 1, 1, tzinfo=UTC))
    1767225600000
    """
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def text(value: str) -> str:
    """Return `value` as the journal may hold it: bounded, and valid Unicode.

    >>> text("digits")
    'digits'
    """
    if len(value) <= _MAX_TEXT and value.isascii():  # nearly always
        return value
    # A JWT's claims may hold a lone surrogate, written \\ud800; UTF-8 cannot, and must not fail the event.
    return value[:_MAX_TEXT].encode(errors="replace").decode()


def base(  # noqa: PLR0913  # one for each thing that differs
    kind: EventClass, activity: int, status: Status, *, at: datetime, request_id: str = "", message: str
) -> Object:
    """Return the fields that every event has."""
    class_uid, class_name, activities = kind.value
    status_id, status_name, severity_id = status.value
    metadata: Object = {
        "uid": unique_id(16),
        "version": VERSION,
        "product": PRODUCT,
    }
    if kind in _PROFILES:
        metadata["profiles"] = _PROFILES[kind]
    if request_id:
        metadata["correlation_uid"] = text(request_id)
    return {
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "class_name": class_name,
        "activity_id": activity,
        "activity_name": activities[activity],
        "type_uid": class_uid * 100 + activity,
        "time": milliseconds(at),
        "severity_id": severity_id,
        "status_id": status_id,
        "status": status_name,
        "message": text(message),
        "metadata": metadata,
    }


def user(principal: Principal) -> Object:
    """Return the principal as OCSF's `user`: its readable name, its groups, and where it comes from."""
    workload = principal.kind is PrincipalKind.WORKLOAD
    return {
        "uid": text(principal.subject),
        "name": text(principal.name),
        "domain": principal.issuer,
        "type_id": 4 if workload else 1,
        "type": "Service" if workload else "User",
        "groups": [{"name": text(group)} for group in sorted(principal.groups)],
    }


def session(principal: Principal) -> Object:
    """Return the token that was shown, by its id."""
    found: Object = {"issuer": principal.issuer}
    if principal.token_id:
        found["uid"] = text(principal.token_id)
    if principal.expires_at:
        found["expiration_time"] = milliseconds(principal.expires_at)
    return found


@lru_cache(maxsize=1024)
def actor(principal: Principal) -> Mapping[str, object]:
    """Return who did it, and who vouched for them. The same principal acts again and again."""
    return {"user": user(principal), "session": session(principal), "idp": {"name": principal.issuer}}


def endpoint(source_ip: str) -> Object:
    """Return where it came from; what is no address is kept as a name."""
    address = _address(source_ip)
    return {"ip": address} if address else {"name": text(source_ip) or "unknown"}


@lru_cache(maxsize=4096)
def _address(source_ip: str) -> str:
    try:
        return str(ip_address(source_ip))
    except ValueError:
        return ""


_SENSITIVITY = "gateway:ResourceTag/sensitivity"
"""The one condition key that events repeat: what the resource's owners say of it."""


def resource(request: AccessRequest, version: Version | None) -> Object:
    """Return what was asked for, under the name that the policy saw, with the version that it came to."""
    kind, *names = request.resource.split("/")
    found: Object = {"uid": text(request.resource), "type": text(kind)}
    if len(names) > 1:
        found |= {"name": text("/".join((kind, *names[:2]))), "namespace": text(names[0])}
    if version:
        found |= {"version": f"v{version.number}", "data": {"digest": version.digest}}
    if sensitivity := request.context.get(_SENSITIVITY):
        found["tags"] = [{"name": "sensitivity", "value": text(str(sensitivity))}]
    return found


def authorizations(decision: Decision) -> list[Object]:
    """Return the decision, once for each statement that decided it, with the digest of the policy set."""
    return [
        {"decision": decision.outcome.value, "policy": _policy(statement, decision.policy_digest)}
        for statement in decision.statements or ("",)
    ]


def _policy(statement: str, digest: str) -> Object:
    policy: Object = {"type": "policy set", "uid": digest}
    if statement:
        policy["name"] = text(statement)
    return policy
