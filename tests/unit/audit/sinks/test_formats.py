import json
import re

import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.event import decided, journal_started, policies_refused, refused_login, served
from gateway.audit.record import Record
from gateway.audit.sinks.formats import FORMATS, cef, ecs, ocsf
from gateway.errors import InvalidPolicy, WrongAudience
from gateway.model import AccessRequest, Principal, PrincipalKind

CEF = re.compile(rb"CEF:0\|((?:\\.|[^|\\])*\|){6}((?:\w+=(?:\\.|[^=\\])*(?: |$))*)")


def record_of(event, seq=7):
    return Record(seq, b"", encode_event(event), b"")


@pytest.fixture
def denied(reading, deny, origin):
    return record_of(decided(reading, deny, **origin))


@pytest.mark.parametrize("text", ["a|b=c\\d", "line\nbreak\r\u2028", "tab\t\x1b[2J", "=", "|", "\\"])
def test_a_name_cannot_forge_a_field(text, allow, origin):
    who = Principal("people", text, PrincipalKind.USER, text)
    line = cef(record_of(decided(AccessRequest(who, "gateway:ReadFile", "dataset/a/b"), allow, **origin)))
    assert CEF.fullmatch(line)
    assert not re.search(rb"[\x00-\x1f\x7f]", line)
    assert line.count(b" suser=") == 1


def test_ocsf_is_the_journals_own(denied):
    assert ocsf(denied) == denied.event
    assert set(FORMATS) == {"ocsf", "ecs", "cef"}


def test_ecs_says_who_what_whence_and_how(denied):
    found = json.loads(ecs(denied))
    assert found["@timestamp"] == "2026-03-01T12:00:00Z"
    assert found["user"] == {"id": "5f2c", "name": "ada", "domain": "people", "roles": ["everyone", "ml-research"]}
    assert found["source"] == {"ip": "192.0.2.7", "address": "192.0.2.7"}
    assert found["related"] == {"user": ["ada"], "ip": ["192.0.2.7"]}
    assert found["event"] == {
        "id": json.loads(denied.event)["metadata"]["uid"],
        "kind": "event",
        "category": ["api"],
        "type": ["access", "denied"],
        "action": "gateway:ReadFile",
        "outcome": "failure",
        "reason": "access-denied",
        "dataset": "ml-data-gateway.audit",
        "module": "ml-data-gateway",
        "severity": 2,
        "sequence": 7,
    }
    assert found["labels"]["resource"] == "dataset/vision/digits/latest/train.csv"
    assert found["labels"]["decision"] == "implicitDeny"


def test_ecs_knows_each_class(reading, allow, third_version, origin, noon):
    sent = served(reading, allow, start=0, end=1, sent=1, version=third_version, **origin)
    found = {
        kind: json.loads(ecs(record_of(event)))["event"]
        for kind, event in {
            "login": refused_login(WrongAudience("x"), **origin),
            "served": sent,
            "started": journal_started("gateway-1", at=noon),
            "finding": policies_refused(InvalidPolicy("x"), digest="ab", at=noon),
            "change": decided(AccessRequest(reading.principal, "gateway:MoveTag", "dataset/a/b"), allow, **origin),
            "unknown": {"metadata": {"uid": "u"}},
        }.items()
    }
    assert found["login"]["category"] == ["authentication"]
    assert (found["served"]["category"], found["served"]["type"]) == (["file"], ["access", "allowed"])
    assert found["started"]["category"] == ["configuration"]
    assert found["finding"]["kind"] == "alert"
    assert found["change"]["type"] == ["change", "allowed"]
    assert (found["unknown"]["type"], found["unknown"]["outcome"]) == (["info"], "unknown")
    assert json.loads(ecs(record_of(sent)))["labels"]["version"] == "v3"


def test_ecs_leaves_out_what_is_not_known(noon):
    found = json.loads(ecs(record_of({"resources": [], "actor": {"user": {"groups": [1, {}]}}})))
    assert set(found) == {"ecs", "event", "service"}


def test_cef_says_who_what_whence_and_how(denied):
    line = cef(denied).decode()
    assert line.startswith("CEF:0|ML Data Gateway|ML Data Gateway|")
    assert "|600302|API Activity: gateway:ReadFile|4|rt=1772366400000 externalId=" in line
    for field in ("suser=ada", "suid=5f2c", "src=192.0.2.7", "outcome=failure", "reason=access-denied", "cs2=Denied"):
        assert f" {field} " in line


def test_cef_leaves_out_what_is_not_known():
    line = cef(record_of({"severity_id": None})).decode()
    assert re.fullmatch(r"CEF:0\|[^|]+\|[^|]+\|[^|]+\|0\|: \|5\|cs3Label=requestId", line)
