"""The event of something suspicious (OCSF Detection Finding: Create), with the events that it rests on."""

import hashlib
from datetime import datetime

from gateway.audit import ocsf
from gateway.audit.detection.rules import Alert
from gateway.audit.ocsf import EventClass, Object, Status

_SEVERITIES = {2: "Low", 3: "Medium", 4: "High"}
_RULE = 1
"""OCSF's `analytic.type_id` of a rule."""


def finding(alert: Alert, *, at: datetime) -> Object:
    """Return the event of an alert. Its id follows from its evidence, so that it has the same when it is told twice."""
    seen = alert.seen
    event = ocsf.base(EventClass.FINDING, 1, Status.NEW, at=at, message=alert.title)
    uid = hashlib.sha256(" ".join((alert.rule, *alert.evidence)).encode()).hexdigest()[:32]
    user: Object = {"name": ocsf.text(seen.name), "uid": seen.subject, "domain": seen.issuer}
    evidence: Object = {"data": {"events": list(alert.evidence)}}
    if seen.name:
        evidence["actor"] = {"user": user}
    if seen.address:
        evidence["src_endpoint"] = ocsf.endpoint(seen.address)
    if seen.resource:
        evidence["resources"] = [{"uid": ocsf.text(seen.resource)}]
    metadata = event["metadata"]
    assert isinstance(metadata, dict)  # noqa: S101  # made so by `base`
    return event | {
        "metadata": metadata | {"uid": uid},
        "severity_id": alert.severity,
        "severity": _SEVERITIES[alert.severity],
        "is_alert": True,
        "evidences": [evidence],
        "finding_info": {
            "uid": uid,
            "title": ocsf.text(alert.title),
            "types": [alert.rule],
            "analytic": {"uid": alert.rule, "name": alert.rule, "type_id": _RULE, "type": "Rule"},
            "last_seen_time": ocsf.milliseconds(seen.at),
            "related_events": [{"uid": one} for one in alert.evidence],
            "related_events_count": len(alert.evidence),
        },
    }
