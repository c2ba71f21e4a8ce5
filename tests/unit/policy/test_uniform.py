"""One decision stands for all below a prefix only where no statement tells one from another."""

import json

import pytest

from gateway.model import AccessRequest, Outcome, Principal, PrincipalKind
from gateway.policy.decide import PolicySet
from gateway.policy.document import Dialect
from gateway.policy.grammar import read_document

ADA = Principal("people", "1", PrincipalKind.USER, "ada", frozenset({"ml"}))
BELOW = "dataset/vision/digits/v1/train/"


def policies(*statements):
    text = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Principal": "*", "Action": "*"} | s for s in statements]}
    )
    document, faults = read_document(text, "p", Dialect.GATEWAY)
    assert document, faults
    return PolicySet([document])


def below(policy_set, resource=BELOW, **context):
    return policy_set.decide_below(AccessRequest(ADA, "gateway:ReadFile", resource, context))


ALLOW = {"Effect": "Allow", "Resource": "dataset/vision/*"}


@pytest.mark.parametrize(
    "resource",
    [
        f"{BELOW}held-out/*",
        "dataset/*/held-out/*",
        "*.csv",
        "dataset/vision/digits/v1/t?ain/a*",
        f"{BELOW}a.csv",
        "dataset/vision/digits/v1/train/${gateway:User}/*",
    ],
)
def test_a_deny_that_tells_files_apart_leaves_it_open(resource):
    assert below(policies(ALLOW, {"Effect": "Deny", "Resource": resource}), **{"gateway:User": "ada"}) is None


@pytest.mark.parametrize(
    "more",
    [
        {"Resource": "*.csv", "Principal": {"User": "bob"}},
        {"Resource": "*.csv", "Action": "gateway:MoveTag"},
        {"Resource": "*.csv", "Condition": {"StringEquals": {"gateway:LinkMode": "stream"}}},
        {"Resource": "dataset/medical/*"},
        {"Resource": "dataset/vision/digits/v1/train"},
        {"Resource": "dataset/home-${gateway:Nobody}/*"},
    ],
)
def test_a_deny_that_does_not_concern_the_request_leaves_it_allowed(more):
    decision = below(policies(ALLOW, {"Effect": "Deny"} | more), **{"gateway:LinkMode": "direct"})
    assert decision.outcome is Outcome.ALLOW


def test_a_deny_of_all_below_is_one_decision():
    assert below(policies(ALLOW, {"Effect": "Deny", "Resource": BELOW + "*"})).outcome is Outcome.EXPLICIT_DENY


def test_nothing_allowed_is_one_decision():
    assert below(policies({"Effect": "Allow", "Resource": "model/*"})).outcome is Outcome.IMPLICIT_DENY


def test_one_of_several_patterns_may_be_for_all():
    assert below(policies({"Effect": "Allow", "Resource": ["*.csv", "dataset/*"]})).outcome is Outcome.ALLOW


def test_what_is_allowed_is_named():
    assert below(policies(ALLOW)).statements == ("p#0",)


def test_a_narrowing_that_tells_files_apart_leaves_it_open():
    narrowing = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*.csv"}}
    )
    narrowed = Principal("people", "1", PrincipalKind.USER, "ada", session_policies=(narrowing,))
    assert policies(ALLOW).decide_below(AccessRequest(narrowed, "gateway:ReadFile", BELOW)) is None


def test_a_narrowing_that_cannot_be_read_allows_nothing():
    narrowed = Principal("people", "1", PrincipalKind.USER, "ada", session_policies=("{",))
    decision = policies(ALLOW).decide_below(AccessRequest(narrowed, "gateway:ReadFile", BELOW))
    assert decision.outcome is Outcome.IMPLICIT_DENY
