"""Builds the events that the journal holds: one function for each kind, from the model's own types.

What goes in is picked field by field, so a token, a key or a link has no way in: claims, contexts and errors'
texts are never copied, and facts are numbers or short words under names known here.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from gateway.audit import ocsf
from gateway.audit.ocsf import EventClass, Object, Status
from gateway.errors import AccessDenied, GatewayError, IntegrityError, by_code
from gateway.model import (
    AccessRequest,
    Decision,
    Outcome,
    Principal,
    PrincipalKind,
    Reencryption,
    ReencryptionState,
    Shred,
    Version,
)

FACTS = frozenset(
    {
        "bytes",
        "events",
        "files",
        "freeze_seconds",
        "due_at",
        "epoch",
        "kek_version",
        "lease",
        "leases",
        "link",
        "links",
        "mode",
        "objects",
        "parts",
        "push_id",
        "resources",
        "rewrapped",
        "tag",
        "ttl_seconds",
        "version",
    }
)
"""What a decision's event may say of its work."""

_FACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,79}")

_ACTIVITIES = {"Create": 1, "Publish": 1, "List": 2, "Describe": 2, "Read": 2, "Explain": 2, "Move": 3, "Tag": 3}
_ACTIVITIES |= {"Rotate": 3, "Reencrypt": 3, "Stop": 3, "Undo": 3, "Delete": 4, "Revoke": 4, "Shred": 4, "Approve": 4}
_ACTIVITIES |= {"Check": 2, "Collect": 4}
_VERB = re.compile(r"gateway:([A-Z][a-z]+)")

_MEANINGS = {code: (kind.__doc__ or "").partition("\n")[0] for code, kind in by_code().items()}

_OPEN_ID, _OAUTH = (4, "OpenID"), (6, "OAUTH 2.0")


def authenticated(principal: Principal, *, at: datetime, request_id: str, source_ip: str) -> Object:
    """Return the event of a token exchanged (Authentication: Logon). `principal` is whom the new token names."""
    protocol_id, protocol = _OPEN_ID if principal.kind is PrincipalKind.USER else _OAUTH
    event = ocsf.base(
        EventClass.AUTHENTICATION,
        1,
        Status.SUCCESS,
        at=at,
        request_id=request_id,
        message=f"{principal.name} logged in through {principal.issuer}.",
    )
    return event | {
        "user": ocsf.user(principal),
        "actor": ocsf.actor(principal),
        "session": ocsf.session(principal),
        "auth_protocol_id": protocol_id,
        "auth_protocol": protocol,
        "is_mfa": len(principal.amr) > 1,
        "is_remote": True,
        "service": {"name": "gateway"},
        "src_endpoint": ocsf.endpoint(source_ip),
    }


def refused_login(error: GatewayError, *, at: datetime, request_id: str, source_ip: str, issuer: str = "") -> Object:
    """Return the event of a token refused (Authentication: Logon, failed).

    Nothing that the token said is recorded, since nothing of it was verified; nor the error's message, which
    may quote it.

    Args:
        error: Why.
        at: When.
        request_id: The request's id.
        source_ip: Where it came from.
        issuer: The alias of the issuer, if it is one of ours.
    """
    user: Object = {"name": "unknown", "type_id": 0}
    event = ocsf.base(
        EventClass.AUTHENTICATION,
        1,
        Status.FAILURE,
        at=at,
        request_id=request_id,
        message=f"A login was refused: {error.code}.",
    )
    return (
        event
        | _reason(error.code)
        | {
            "user": user | ({"domain": issuer} if issuer else {}),
            "is_remote": True,
            "service": {"name": "gateway"},
            "src_endpoint": ocsf.endpoint(source_ip),
        }
    )


def refused_link(error: GatewayError, *, at: datetime, request_id: str, source_ip: str) -> Object:
    """Return the event of a stream link that was altered or has expired (Datastore Activity: Read, failed).

    Nothing that the link said is recorded, since it is not in force.
    """
    event = ocsf.base(
        EventClass.DATASTORE,
        1,
        Status.FAILURE,
        at=at,
        request_id=request_id,
        message=f"A stream link was refused: {error.code}.",
    )
    return (
        event
        | _reason(error.code)
        | {
            "actor": {"user": {"name": "unknown", "type_id": 0}},
            "src_endpoint": ocsf.endpoint(source_ip),
            "action_id": 2,
            "action": "Denied",
            "authorizations": [{"decision": "deny"}],
            "type_id": 0,
            "databucket": {"name": "unknown", "type_id": 0},
        }
    )


def decided(  # noqa: PLR0913  # one for each thing that the event says
    request: AccessRequest,
    decision: Decision,
    *,
    at: datetime,
    request_id: str,
    source_ip: str,
    version: Version | None = None,
    facts: Mapping[str, int | str] | None = None,
    between: tuple[str, str] | None = None,
    intent: bool = False,
    failure: str | None = None,
    trace_id: str = "",
) -> Object:
    """Return the event of a decision, and of what came of it (API Activity).

    Args:
        request: What was asked, by whom.
        decision: The policy's answer.
        at: When.
        request_id: The request's id; it joins an intent with its completion.
        source_ip: Where it came from.
        version: The version that the request's reference came to.
        facts: Counts and short words about the work, under the names in `FACTS`.
        between: Of many files decided at once, the first and the last path; they are all of the version's between
            the two, in the manifest's order.
        intent: Whether the work is still to be done.
        failure: The code of the error that the request ended with; a denied one's is `access-denied` otherwise.
        trace_id: The caller's trace, 32 hex digits.

    Raises:
        ValueError: a fact is not one that an event may hold.
    """
    code = failure or (None if decision.allowed else AccessDenied.code)
    status = Status.FAILURE if code else Status.INTENDED if intent else Status.SUCCESS
    event = ocsf.base(
        EventClass.API,
        _activity(request.action),
        status,
        at=at,
        request_id=request_id,
        message=_sentence(request, decision, code),
    )
    answer: Object = {name: _fact(name, value) for name, value in sorted((facts or {}).items())}
    if decision.step_up:
        answer["step_up"] = ocsf.text(decision.step_up)
    api: Object = {"operation": ocsf.text(request.action), "request": {"uid": ocsf.text(request_id)}}
    if answer:
        api["response"] = {"data": answer}
    return (
        _guarded(event, request, decision, source_ip)
        | _reason(code)
        | {"api": api, "resources": [ocsf.resource(request, version)]}
        | ({"unmapped": {"first": ocsf.text(between[0]), "last": ocsf.text(between[1])}} if between else {})
        | ({"trace": {"uid": trace_id}} if trace_id else {})
    )


def served(  # noqa: PLR0913  # the same
    request: AccessRequest,
    decision: Decision,
    *,
    at: datetime,
    request_id: str,
    source_ip: str,
    start: int,
    end: int,
    sent: int,
    version: Version | None = None,
    failure: str | None = None,
    trace_id: str = "",
) -> Object:
    """Return the event of bytes that left through a stream link, whole or not (Datastore Activity: Read).

    Args:
        request: What was asked, by whom.
        decision: The answer under which the bytes were let out.
        at: When the stream ended.
        request_id: The request's id.
        source_ip: Where the bytes went.
        start: The first byte of the range that was asked for.
        end: The first byte after it.
        sent: How many bytes of plaintext left.
        version: The version that was read.
        failure: The code of the error that ended the stream early.
        trace_id: The caller's trace, 32 hex digits.
    """
    event = ocsf.base(
        EventClass.DATASTORE,
        1,
        Status.FAILURE if failure else Status.SUCCESS,
        at=at,
        request_id=request_id,
        message=f"{request.principal.name} was sent {sent} bytes of {request.resource}.",
    )
    databucket = ocsf.resource(request, version) | {"type_id": 99}
    return (
        _guarded(event, request, decision, source_ip)
        | _reason(failure)
        | {
            "type_id": 2,
            "databucket": databucket,
            "unmapped": {"bytes_sent": sent, "range": {"start": start, "end": end}}
            | ({"trace_uid": trace_id} if trace_id else {}),  # OCSF's profile for traces is not this class's
        }
    )


def journal_started(instance: str, *, at: datetime, torn_bytes: int = 0, torn_sha256: str = "") -> Object:
    """Return the event of a journal opened (Application Lifecycle: Start). It is a new journal's first record.

    Args:
        instance: Whose journal it is.
        at: When; a new journal's genesis is bound to it.
        torn_bytes: How many half-written bytes were cut off its end.
        torn_sha256: Their SHA-256, in hex.
    """
    cut = f"; {torn_bytes} half-written bytes were cut" if torn_bytes else ""
    event = _lifecycle(3, instance, at, f"The audit journal of {instance} was opened{cut}.")
    return event | ({"unmapped": {"torn": {"bytes": torn_bytes, "sha256": torn_sha256}}} if torn_bytes else {})


def journal_stopped(instance: str, *, at: datetime) -> Object:
    """Return the event of a journal closed in good order (Application Lifecycle: Stop)."""
    return _lifecycle(4, instance, at, f"The audit journal of {instance} was closed.")


def policies_changed(*, digest: str, at: datetime) -> Object:
    """Return the event of another policy set in force (Application Lifecycle: Update)."""
    event = _lifecycle(8, "policies", at, f"The policy set {digest[:12]} is in force.")
    return event | {"unmapped": {"policy_digest": digest}}


def secret_step(
    secret: str, step: str, facts: Mapping[str, str], *, at: datetime, fault: GatewayError | None = None
) -> Object:
    """Return the event of a step in the replacement of a secret (Application Lifecycle: Update).

    Args:
        secret: Which.
        step: What was done, or failed.
        facts: The versions or fingerprints of the old one and the new one.
        at: When.
        fault: Why it failed.
    """
    outcome = f"failed: {fault.code}" if fault else "was done"
    event = _lifecycle(8, "rotation", at, f"Replacing the {secret}: {step} {outcome}.", failed=fault is not None)
    named = {name: ocsf.text(facts[name]) for name in ("old", "new") if name in facts}
    return (
        event
        | _reason(fault.code if fault else None)
        | {"unmapped": {"secret": str(secret), "step": str(step)} | named}
    )


def policies_refused(fault: GatewayError, *, digest: str, at: datetime) -> Object:
    """Return the alert that the policy folder is invalid (Detection Finding: Create). The set in force stays.

    Args:
        fault: What is wrong; names a file, a line and a column, and quotes no value.
        digest: The policy set that stays in force.
        at: When.
    """
    title = "The policy folder is invalid; the last good set stays in force."
    event = ocsf.base(EventClass.FINDING, 1, Status.NEW, at=at, message=f"{title} {ocsf.text(fault.message)}")
    return (
        event
        | _reason(fault.code)
        | {
            "finding_info": {"uid": uid_of(event), "title": title},
            "is_alert": True,
            "unmapped": {"policy_digest": digest},
        }
    )


def signer_replaced(*, before: str, now: str, at: datetime) -> Object:
    """Return the event of our own access key at S3 being another (Account Change: Password Change).

    Direct links that the one before signed are good for as long as S3 takes it.

    Args:
        before: The id of the access key that signed until now; it is no secret.
        now: The id of the one that signs from now on.
        at: When we saw it.
    """
    message = f"Direct links are signed with S3's access key {now} now; {before} signed them before."
    event = ocsf.base(EventClass.ACCOUNT, 3, Status.SUCCESS, at=at, message=message)
    return event | {
        "user": {"name": "gateway", "type_id": 4, "type": "Service", "credential_uid": ocsf.text(now)},
        "unmapped": {"replaced": ocsf.text(before)},
    }


def account_disabled(  # noqa: PLR0913  # one for each thing that the event says
    by: Principal, issuer: str, whom: str, *, at: datetime, request_id: str, source_ip: str, frozen_until: datetime
) -> Object:
    """Return the event of all that somebody was given being taken back (Account Change: Disable).

    Args:
        by: Who took it back.
        issuer: The alias of the issuer whose account it is; empty if it is not known.
        whom: The account's name or subject there, or whose of several they are.
        at: When.
        request_id: The request's id.
        source_ip: Where it came from.
        frozen_until: Until when they are given nothing new.
    """
    account = f"{issuer}/{whom}" if issuer else whom
    message = f"{by.name} revoked all that {account} was given."
    event = ocsf.base(EventClass.ACCOUNT, 5, Status.SUCCESS, at=at, request_id=request_id, message=message)
    return event | {
        "actor": ocsf.actor(by),
        "user": {"name": ocsf.text(whom), "type_id": 0} | ({"domain": issuer} if issuer else {}),
        "src_endpoint": ocsf.endpoint(source_ip),
        "unmapped": {"frozen_until": ocsf.milliseconds(frozen_until)},
    }


def reencrypted(job: Reencryption, *, at: datetime) -> Object:
    """Return the event of a re-encryption's step: all is moved, or the old copies are gone (API Activity: Update)."""
    status = Status.FAILURE if job.failed else Status.SUCCESS
    what = "its old copies are gone" if job.moved_at and job.state is not ReencryptionState.SETTLING else "all is moved"
    message = f"The re-encryption of {job.resource}, asked for by {job.requested_by}: {what}; {job.failed} failed."
    event = ocsf.base(EventClass.API, 3, status, at=at, message=message)
    request = AccessRequest(job.requested_by.principal(), "gateway:ReencryptObjects", str(job.resource))
    facts: Object = {"epoch": job.epoch, "moved": job.moved, "bytes": job.moved_bytes, "failed": job.failed}
    return (
        _guarded(event, request, Decision(Outcome.ALLOW), "")
        | _reason(IntegrityError.code if job.failed else None)
        | {
            "api": {"operation": request.action, "response": {"data": facts}},
            "resources": [ocsf.resource(request, None)],
        }
    )


def shredded(
    shred: Shred,
    *,
    at: datetime,
    intent: bool = False,
    proof: Mapping[str, str] | None = None,
    failure: GatewayError | None = None,
) -> Object:
    """Return the event of a resource's keys being destroyed, or about to be (API Activity: Delete).

    Args:
        shred: What was asked for, and by whom it was approved.
        at: When.
        intent: Whether it is still to be done.
        proof: For each attempt to open what was destroyed, the error that it ended with.
        failure: What opened that must not.
    """
    status = Status.FAILURE if failure else Status.INTENDED if intent else Status.SUCCESS
    what = "failed" if failure else "begins" if intent else "is done, and its keys open nothing"
    message = f"The shredding of {shred.resource}, asked for by {shred.requested_by}, {what}."
    event = ocsf.base(EventClass.API, 4, status, at=at, message=message)
    principal = shred.requested_by.principal()
    request = AccessRequest(principal, "gateway:ShredKey", str(shred.resource))
    told: Object = {"approved_by": ocsf.text(str(shred.approved_by)), "reason": ocsf.text(shred.reason)}
    return (
        _guarded(event, request, Decision(Outcome.ALLOW, (f"approved by {shred.approved_by}",)), "")
        | _reason(failure.code if failure else None)
        | {
            "api": {"operation": request.action},
            "resources": [ocsf.resource(request, None)],
            "unmapped": told | ({"proof": dict(proof)} if proof else {}),
        }
    )


def uid_of(event: Mapping[str, object]) -> str:
    """Return the event's `metadata.uid`.

    Raises:
        ValueError: it has none.
    """
    match event:
        case {"metadata": {"uid": str(uid)}}:
            return uid
    raise ValueError("An event needs a metadata.uid.")


def _lifecycle(activity: int, instance: str, at: datetime, message: str, *, failed: bool = False) -> Object:
    status = Status.FAILURE if failed else Status.SUCCESS
    event = ocsf.base(EventClass.LIFECYCLE, activity, status, at=at, message=message)
    return event | {"app": ocsf.PRODUCT | {"uid": instance}}


def _guarded(event: Object, request: AccessRequest, decision: Decision, source_ip: str) -> Object:
    """Add who, from where, and the decision, as OCSF's security_control profile holds it."""
    return event | {
        "actor": ocsf.actor(request.principal),
        "src_endpoint": ocsf.endpoint(source_ip),
        "action_id": 1 if decision.allowed else 2,
        "action": "Allowed" if decision.allowed else "Denied",
        "authorizations": ocsf.authorizations(decision),
    }


def _activity(action: str) -> int:
    verb = _VERB.match(action)
    return _ACTIVITIES.get(verb[1], 99) if verb else 99


def _reason(code: str | None) -> Object:
    """Return the error's code with what it stands for; its message stays out, since it may quote the caller."""
    if not code:
        return {}
    return {"status_code": code, "status_detail": _MEANINGS.get(code, "")}


def _sentence(request: AccessRequest, decision: Decision, code: str | None) -> str:
    outcome = f"{decision.outcome}, then {code}" if decision.allowed and code else decision.outcome
    return f"{request.principal.name}: {request.action} on {request.resource}: {outcome}."


def _fact(name: str, value: int | str) -> int | str:
    if name not in FACTS or not (isinstance(value, int) or _FACT.fullmatch(value)):
        raise ValueError(f"{name!r} is no fact that an event may hold.")
    return value
