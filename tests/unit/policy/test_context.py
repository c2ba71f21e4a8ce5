from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.model import Principal, PrincipalKind
from gateway.policy.context import context_of

NOW = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def test_all_that_is_known_becomes_a_key(ada):
    known = replace(
        ada,
        tags={"department": "vision"},
        acr="urn:strong",
        amr=("pwd", "mfa"),
        auth_time=NOW - timedelta(seconds=90.9),
        key_thumbprint="x",
        claims={
            "email": "ada@example.org",
            "address": {"country": "GB"},
            "roles": ["a", 1, "b"],
            "age": 36,
            "admin": True,
        },
    )
    extra = {"gateway:LinkMode": "direct", "gateway:ResourceTag/owner": "ada"}
    assert context_of(known, now=NOW, source_ip="203.0.113.7", secure=True, extra=extra) == {
        "aws:CurrentTime": "2030-01-02T03:04:05Z",
        "aws:EpochTime": str(int(NOW.timestamp())),
        "aws:PrincipalTag/department": "vision",
        "aws:SecureTransport": "true",
        "aws:SourceIp": "203.0.113.7",
        "gateway:Acr": "urn:strong",
        "gateway:Amr": ("pwd", "mfa"),
        "gateway:AuthAge": "90",
        "gateway:Groups": ("ml-research", "staff"),
        "gateway:Issuer": "people",
        "gateway:LinkMode": "direct",
        "gateway:PrincipalKind": "user",
        "gateway:ResourceTag/owner": "ada",
        "gateway:TokenBinding": "dpop",
        "gateway:User": "ada",
        "oidc:admin": ("true",),
        "oidc:age": ("36",),
        "oidc:email": ("ada@example.org",),
        "oidc:roles": ("a", "b"),
    }


def test_what_is_not_known_is_no_key():
    trainer = Principal("jobs", "1", PrincipalKind.WORKLOAD, "trainer")
    assert context_of(trainer, now=NOW, secure=False) == {
        "aws:CurrentTime": "2030-01-02T03:04:05Z",
        "aws:EpochTime": str(int(NOW.timestamp())),
        "aws:SecureTransport": "false",
        "gateway:Issuer": "jobs",
        "gateway:PrincipalKind": "workload",
        "gateway:TokenBinding": "bearer",
    }


def test_claims_that_differ_in_case_alone_are_neither(ada):
    facts = context_of(replace(ada, claims={"Role": "user", "role": "admin"}), now=NOW, secure=True)
    assert not [key for key in facts if key.lower() == "oidc:role"]


def test_a_claim_cannot_pose_as_a_fact(ada):
    facts = context_of(replace(ada, claims={"gateway:User": "root"}), now=NOW, secure=True)
    assert facts["gateway:User"] == "ada"


@pytest.mark.parametrize(
    ("given", "seen"), [("::ffff:203.0.113.7", "203.0.113.7"), ("2001:DB8::1", "2001:db8::1"), ("fe80::1%eth0", None)]
)
def test_an_address_has_one_spelling(ada, given, seen):
    assert context_of(ada, now=NOW, source_ip=given, secure=True).get("aws:SourceIp") == seen


def test_a_login_that_seems_to_be_in_the_future_is_of_now(ada):
    ahead = replace(ada, auth_time=NOW + timedelta(seconds=20))
    assert context_of(ahead, now=NOW, secure=True)["gateway:AuthAge"] == "0"


def test_times_are_told_in_utc(ada):
    there = NOW.astimezone(timezone(timedelta(hours=5)))
    assert context_of(ada, now=there, secure=True)["aws:CurrentTime"] == "2030-01-02T03:04:05Z"


def test_claims_that_python_holds_for_equal_are_told_apart():
    one, true = (Principal("people", "1", PrincipalKind.USER, "ada", claims={"staff": value}) for value in (1, True))
    said = [context_of(who, now=datetime(2030, 1, 1, tzinfo=UTC), secure=True)["oidc:staff"] for who in (one, true)]
    assert said == [("1",), ("true",)]
