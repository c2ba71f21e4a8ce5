import copy

import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.entry import is_by, read_entry, read_time
from gateway.audit.event import authenticated, decided, journal_started, refused_login, served
from gateway.audit.record import EventJson, Record
from gateway.errors import WrongAudience


def record_of(event):
    return Record(7, b"", EventJson(encode_event(event)), b"")


def test_control_characters_do_not_reach_a_terminal(reading, allow, origin):
    event = decided(reading, allow, **origin)
    event = copy.deepcopy(event)  # the actor is shared by all events of a principal
    event["actor"]["user"]["name"] = "a\x1b[2Jda\n\u202e"
    assert read_entry(record_of(event)).who == "a�[2Jda��"


@pytest.mark.parametrize("event", [{}, {"actor": 1, "resources": [], "status": 2}, {"time": "noon"}, {"time": 1e300}])
def test_an_event_of_another_shape_has_an_empty_entry(event):
    entry = read_entry(record_of(event))
    assert (entry.who, entry.resource, entry.status, entry.time) == ("", "", "", None)


def test_a_decision_is_read(reading, deny, origin, noon):
    entry = read_entry(record_of(decided(reading, deny, **origin)))
    assert (entry.seq, entry.time, entry.who, entry.origin) == (7, noon, "ada", "192.0.2.7")
    assert (entry.action, entry.resource) == ("gateway:ReadFile", "dataset/vision/digits/latest/train.csv")
    assert (entry.decision, entry.status) == ("Denied", "Failure (access-denied)")


def test_other_kinds_are_read(ada, reading, allow, origin, noon):
    login = read_entry(record_of(authenticated(ada, **origin)))
    assert (login.who, login.action, login.decision, login.status) == ("ada", "Logon", "Authentication", "Success")
    refused = read_entry(record_of(refused_login(WrongAudience("x"), **(origin | {"source_ip": "proxy"}))))
    assert (refused.who, refused.status, refused.origin) == ("unknown", "Failure (wrong-audience)", "proxy")
    sent = read_entry(record_of(served(reading, allow, start=0, end=1, sent=1, **origin)))
    assert (sent.action, sent.resource) == ("Read", "dataset/vision/digits/latest/train.csv")
    started = read_entry(record_of(journal_started("gateway-1", at=noon)))
    assert (started.who, started.action) == ("gateway-1", "Start")


def test_time_is_read_in_utc(noon):
    assert read_time(record_of(journal_started("gateway-1", at=noon))) == noon


def test_an_act_of_ones_own_is_told(reading, allow, origin):
    record = record_of(decided(reading, allow, **origin))
    assert is_by(record, issuer="people", subject="5f2c", action="gateway:ReadFile")
    assert not is_by(record, issuer="jobs", subject="5f2c", action="gateway:ReadFile")
