from datetime import timedelta

import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.detection.seen import see
from gateway.audit.event import (
    account_disabled,
    authenticated,
    decided,
    journal_started,
    policies_changed,
    policies_refused,
    refused_link,
    refused_login,
    served,
    signer_replaced,
)
from gateway.audit.record import Record
from gateway.errors import InvalidPolicy, LinkExpired, WrongAudience
from gateway.model import AccessRequest


@pytest.fixture
def look():
    return lambda event: see(Record(1, b"", encode_event(event), b""))


def test_findings_are_not_looked_at_again(look, noon):
    assert look(policies_refused(InvalidPolicy("x"), digest="ab", at=noon)) is None
    assert look({"no": "time"}) is None


def test_a_reading_is_counted_when_it_is_allowed_and_done(look, reading, allow, deny, origin):
    assert look(decided(reading, allow, **origin)).reads == 1
    assert look(decided(reading, allow, facts={"links": 700}, **origin)).reads == 700
    assert look(decided(reading, deny, **origin)).reads == 0
    assert look(decided(reading, allow, intent=True, **origin)).reads == 0
    assert look(decided(reading, allow, failure="unknown-path", **origin)).reads == 0
    assert look(served(reading, allow, start=0, end=1, sent=1, **origin)).reads == 0  # its link was counted


def test_who_and_whence(look, reading, allow, origin):
    seen = look(decided(reading, allow, **origin))
    assert (seen.principal, seen.name, seen.network) == ("people/5f2c", "ada", "192.0.2.0/24")
    assert look(decided(reading, allow, **(origin | {"source_ip": "2001:db8:1:2::3"}))).network == "2001:db8:1::/48"
    assert look(decided(reading, allow, **(origin | {"source_ip": "testclient"}))).network == ""


def test_where_nobody_was_verified(look, origin):
    for event in (
        refused_login(WrongAudience("x"), issuer="people", **origin),
        refused_link(LinkExpired("x"), **origin),
    ):
        seen = look(event)
        assert (seen.principal, seen.name, seen.refused) == ("@192.0.2.7", "", True)


def test_a_login_is_no_refusal(look, ada, origin):
    assert not look(authenticated(ada, **origin)).refused


def test_what_is_restricted(look, ada, allow, origin):
    for value, told in (("restricted", True), ("internal", False)):
        request = AccessRequest(ada, "gateway:ReadFile", "dataset/a/b", {"gateway:ResourceTag/sensitivity": value})
        assert look(decided(request, allow, **origin)).restricted == told


def test_what_was_changed(look, ada, allow, deny, origin, noon):
    rotate = AccessRequest(ada, "gateway:RotateKey", "dataset/a/b")
    assert look(decided(rotate, allow, **origin)).change == "keys"
    assert look(decided(rotate, deny, **origin)).change == ""
    assert look(decided(rotate, allow, intent=True, **origin)).change == ""
    assert look(policies_changed(digest="ab", at=noon + timedelta(hours=1))).change == "policies"
    assert look(journal_started("gateway-1", at=noon)).change == ""
    shred = AccessRequest(ada, "gateway:ShredKey", "dataset/a/b")
    assert look(decided(shred, allow, **origin)).change == "keys"


def test_our_own_key_at_s3_is_a_change_and_no_principal(look, noon):
    seen = look(signer_replaced(before="AKIAOLD", now="AKIANEW", at=noon))
    assert (seen.change, seen.issuer, seen.subject) == ("keys", "", "")


def test_an_account_that_is_shut_out_is_the_deed_of_who_did_it(look, ada, origin, noon):
    seen = look(account_disabled(ada, "people", "ivan", frozen_until=noon, **origin))
    assert (seen.name, seen.change) == ("ada", "")


def test_an_event_that_says_little_is_looked_at(look):
    seen = look({"time": 0, "resources": [], "actor": {"user": {"name": 7}}})
    assert (seen.principal, seen.resource, seen.uid) == ("@", "", "")
