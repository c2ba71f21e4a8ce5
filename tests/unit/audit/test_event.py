import json
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
import pytest
from py_ocsf_models.objects.api import API
from py_ocsf_models.objects.metadata import Metadata
from py_ocsf_models.objects.policy import Policy
from py_ocsf_models.objects.resource_details import ResourceDetails

from gateway.audit.canonical import encode_event
from gateway.audit.detection.finding import finding
from gateway.audit.detection.rules import Alert
from gateway.audit.detection.seen import Seen
from gateway.audit.event import (
    FACTS,
    account_disabled,
    authenticated,
    decided,
    journal_started,
    journal_stopped,
    policies_changed,
    policies_refused,
    reencrypted,
    refused_link,
    refused_login,
    secret_step,
    served,
    shredded,
    signer_replaced,
    uid_of,
)
from gateway.errors import (
    AccessDenied,
    InvalidPolicy,
    LinkExpired,
    NotShredded,
    SecretStillGood,
    UnknownPath,
    WrongAudience,
)
from gateway.model import (
    AccessRequest,
    Decision,
    Outcome,
    Principal,
    PrincipalKind,
    Reencryption,
    ReencryptionState,
    ResourceName,
    Shred,
    ShredState,
    Signatory,
)

SCHEMAS = {
    schema["properties"]["class_uid"]["const"]: jsonschema_rs.validator_for(schema)
    for path in (Path(__file__).parents[2] / "vectors" / "ocsf").glob("*.json")
    for schema in [json.loads(path.read_text())]
}

SECRETS = (
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "https://s3.example/b/k?X-Amz-Signature=0123456789abcdef",
    "hvs.CAESIJ0123456789",
    "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
)


@pytest.fixture
def trainer():
    return Principal("jobs", "entity-7", PrincipalKind.WORKLOAD, "trainer", frozenset({"training-jobs"}))


def alert_of(principal, at):
    """An alert about somebody who was verified, or about nobody."""
    who = (principal.issuer, principal.subject, principal.name) if principal else ("", "", "")
    place = ("192.0.2.7", "192.0.2.0/24", "dataset/a/b") if principal else ("", "", "")
    seen = Seen("uid-2", at, *who, *place, reads=1, refused=False, code="", restricted=False, change="")
    return Alert("revoked-use", "Somebody used what was revoked.", 4, seen, ("uid-1", "uid-2"))


def on_keys(ada, noon):
    who, name = Signatory.of(ada), ResourceName.parse("dataset/vision/digits")
    shred = Shred("0" * 32, name, "request 4711", ShredState.DESTROYING, who, noon, who, noon)
    job = Reencryption("0" * 32, name, 2, ReencryptionState.SETTLING, who, noon, moved=3, moved_at=noon)
    return [
        shredded(shred, at=noon, intent=True),
        shredded(shred, at=noon, proof={"vault-key": "not-found"}),
        shredded(shred, at=noon, failure=NotShredded("Vault still has the key.")),
        reencrypted(job, at=noon),
        reencrypted(replace(job, state=ReencryptionState.FAILED, failed=1), at=noon),
    ]


@pytest.fixture
def every_kind(*, ada, trainer, reading, allow, deny, third_version, origin, noon):
    """One event of each kind, and of each way that its fields can be filled in."""
    listing = AccessRequest(trainer, "gateway:ListResources", "dataset")
    other = AccessRequest(trainer, "vendor:Thing", "audit/gateway-1")
    local = origin | {"source_ip": "testclient"}
    sent = {"start": 0, "end": 100, "sent": 100}
    return [
        authenticated(ada, **origin),
        authenticated(trainer, **origin),
        refused_login(WrongAudience("x"), **origin),
        refused_login(WrongAudience("x"), issuer="people", **local),
        refused_link(LinkExpired("x"), **origin),
        decided(reading, allow, version=third_version, facts={"links": 2, "mode": "direct"}, **origin),
        decided(reading, allow, intent=True, trace_id="0af7651916cd43dd8448eb211c80319c", **origin),
        decided(reading, allow, failure="unknown-path", **origin),
        decided(reading, deny, **local),
        decided(listing, Decision(Outcome.EXPLICIT_DENY, ("a#b",), "00" * 32), **origin),
        decided(other, allow, **origin),
        served(reading, allow, version=third_version, **sent, **origin),
        served(reading, allow, failure="storage-unavailable", **(sent | {"start": 5}), **origin),
        journal_started("gateway-1", at=noon),
        journal_started("gateway-1", at=noon, torn_bytes=3, torn_sha256="00" * 32),
        journal_stopped("gateway-1", at=noon),
        policies_changed(digest="ab" * 32, at=noon),
        policies_refused(InvalidPolicy("a.json:1:2: no such key"), digest="ab" * 32, at=noon),
        account_disabled(ada, "people", "ivan", frozen_until=noon, **origin),
        account_disabled(ada, "", "the holder of a token", frozen_until=noon, **origin),
        signer_replaced(before="AKIAOLD", now="AKIANEW", at=noon),
        *on_keys(ada, noon),
        secret_step("token-key", "make", {"old": "gateway-tokens-1", "new": "gateway-tokens-2"}, at=noon),
        secret_step("token-key", "prove", {}, at=noon, fault=SecretStillGood("x")),
        served(reading, allow, version=third_version, trace_id="0af7651916cd43dd8448eb211c80319c", **sent, **origin),
        finding(alert_of(ada, noon), at=noon),
        finding(alert_of(None, noon), at=noon),
    ]


def test_secrets_have_no_way_in(reading, allow, deny, ada, origin):
    for secret in SECRETS:
        error = UnknownPath(secret, hint=secret)
        events = [
            refused_login(error, **origin),
            refused_link(error, **origin),
            decided(reading, allow, failure=error.code, **origin),
            decided(reading, deny, failure=error.code, **origin),
            authenticated(ada, **origin),
        ]
        assert secret.encode() not in b"".join(map(encode_event, events))


def test_claims_and_contexts_stay_out(every_kind):
    written = b"".join(map(encode_event, every_kind))
    assert b"CLAIM-VALUE" not in written
    assert b"CONTEXT-VALUE" not in written


@pytest.mark.parametrize("name", ["object_key", "url", "token", ""])
def test_a_fact_of_another_name_is_refused(reading, allow, origin, name):
    with pytest.raises(ValueError, match="no fact"):
        decided(reading, allow, facts={name: 1}, **origin)


@pytest.mark.parametrize("value", ["a b", "https://s3.example/?X-Amz-Signature=1", "x" * 81, "", "é", 1.5, None, [1]])
def test_a_fact_is_a_number_or_a_short_word(reading, allow, origin, value):
    with pytest.raises((ValueError, TypeError)):
        decided(reading, allow, facts={"mode": value}, **origin)


def test_every_field_is_one_that_the_published_schema_knows(every_kind):
    for event in every_kind:
        SCHEMAS[event["class_uid"]].validate(json.loads(encode_event(event)))


def test_the_schema_would_find_a_fault(every_kind):
    for event in every_kind:
        broken = json.loads(encode_event(event)) | {"surprise": 1}
        assert not SCHEMAS[event["class_uid"]].is_valid(broken)
        del event["metadata"]["version"]
        assert not SCHEMAS[event["class_uid"]].is_valid(json.loads(encode_event(event)))


def test_objects_are_those_of_the_published_models(reading, allow, third_version, origin):
    event = decided(reading, allow, version=third_version, facts={"links": 1}, **origin)
    assert Metadata(**event["metadata"]).correlation_uid == "req-1"
    assert API(**event["api"]).operation == "gateway:ReadFile"
    assert ResourceDetails(**event["resources"][0]).version == "v3"
    assert [Policy(**found["policy"]).name for found in event["authorizations"]] == list(allow.statements)


def test_an_event_says_who_what_when_whence_and_why(reading, allow, third_version, origin, noon):
    event = decided(reading, allow, version=third_version, facts={"links": 2}, **origin)
    assert event["actor"]["user"] == {
        "uid": "5f2c",
        "name": "ada",
        "domain": "people",
        "type_id": 1,
        "type": "User",
        "groups": [{"name": "everyone"}, {"name": "ml-research"}],
    }
    assert event["actor"]["session"] == {
        "uid": "jti-1",
        "issuer": "people",
        "expiration_time": (int(noon.timestamp()) + 3600) * 1000,
    }
    assert event["resources"] == [
        {
            "uid": "dataset/vision/digits/latest/train.csv",
            "name": "dataset/vision/digits",
            "namespace": "vision",
            "type": "dataset",
            "version": "v3",
            "data": {"digest": "sha256:" + "cd" * 32},
        }
    ]
    assert event["time"] == int(noon.timestamp()) * 1000
    assert event["src_endpoint"] == {"ip": "192.0.2.7"}
    assert [found["decision"] for found in event["authorizations"]] == ["allow", "allow"]
    assert {found["policy"]["uid"] for found in event["authorizations"]} == {"ab" * 32}
    assert event["api"]["response"] == {"data": {"links": 2}}
    assert (event["action"], event["status"]) == ("Allowed", "Success")


def test_a_refusal_says_its_reason(reading, deny, origin):
    event = decided(reading, deny, **origin)
    assert (event["action"], event["status"], event["status_code"]) == ("Denied", "Failure", AccessDenied.code)
    assert event["authorizations"] == [{"decision": "implicitDeny", "policy": {"type": "policy set", "uid": "ab" * 32}}]
    assert event["api"]["response"]["data"] == {"step_up": "acr=phishing-resistant"}
    assert event["message"] == "ada: gateway:ReadFile on dataset/vision/digits/latest/train.csv: implicitDeny."


def test_a_failure_after_an_allow_says_both(reading, allow, origin):
    event = decided(reading, allow, failure="unknown-path", **origin)
    assert (event["action"], event["status"], event["status_code"]) == ("Allowed", "Failure", "unknown-path")
    assert event["status_detail"] == "The version has no such file."
    assert event["message"].endswith("allow, then unknown-path.")


def test_an_intent_is_told_from_its_completion(reading, allow, origin):
    assert decided(reading, allow, intent=True, **origin)["status"] == "Intended"
    assert decided(reading, allow, intent=True, failure="conflict", **origin)["status"] == "Failure"


def test_bytes_served_are_counted(reading, allow, origin):
    event = served(reading, allow, start=10, end=30, sent=7, failure="storage-unavailable", **origin)
    assert event["unmapped"] == {"bytes_sent": 7, "range": {"start": 10, "end": 30}}
    assert (event["status"], event["databucket"]["uid"]) == ("Failure", "dataset/vision/digits/latest/train.csv")


def test_a_lone_surrogate_in_a_name_does_not_fail_the_event(allow, origin):
    ghost = Principal("people", "\ud800", PrincipalKind.USER, "gh\udfffst", frozenset({"\ud800"}))
    encode_event(decided(AccessRequest(ghost, "gateway:ReadFile", "dataset/a/b"), allow, **origin))


def test_long_names_are_bounded(allow, origin):
    long = Principal("people", "x" * 100_000, PrincipalKind.USER, "x" * 100_000)
    event = decided(AccessRequest(long, "gateway:ReadFile", "dataset/a/b"), allow, **origin)
    assert len(encode_event(event)) < 20_000


def test_each_event_has_a_uid_of_its_own(reading, allow, origin):
    assert len({uid_of(decided(reading, allow, **origin)) for _ in range(1000)}) == 1000


def test_an_event_without_a_uid_is_refused():
    with pytest.raises(ValueError, match=r"metadata\.uid"):
        uid_of({"metadata": {}})


def test_facts_are_few():
    assert not FACTS & {"url", "key", "object_key", "token", "headers"}


def test_what_is_sensitive_is_said_so(ada, allow, origin):
    tagged = {"gateway:ResourceTag/sensitivity": "restricted", "gateway:ResourceTag/owner": "OWNER-VALUE"}
    event = decided(AccessRequest(ada, "gateway:ReadFile", "dataset/a/b/v1/c", tagged), allow, **origin)
    assert event["resources"][0]["tags"] == [{"name": "sensitivity", "value": "restricted"}]
    assert b"OWNER-VALUE" not in encode_event(event)


def test_a_step_of_a_rotation_says_versions_and_why_it_failed(noon):
    facts = {"old": "gateway-tokens-1", "new": "gateway-tokens-2", "another": "stays out"}
    done = secret_step("token-key", "revoke", facts, at=noon)
    assert done["unmapped"] == {
        "secret": "token-key",
        "step": "revoke",
        "old": "gateway-tokens-1",
        "new": "gateway-tokens-2",
    }
    failed = secret_step("token-key", "prove", {}, at=noon, fault=SecretStillGood("It still signs."))
    assert (failed["status"], failed["status_code"]) == ("Failure", "secret-still-good")
    assert "It still signs" not in json.dumps(failed)


def test_a_finding_told_twice_has_one_id(ada, noon):
    once, twice = finding(alert_of(ada, noon), at=noon), finding(alert_of(ada, noon), at=noon)
    assert uid_of(once) == uid_of(twice) == once["finding_info"]["uid"]
    assert [one["uid"] for one in once["finding_info"]["related_events"]] == ["uid-1", "uid-2"]
