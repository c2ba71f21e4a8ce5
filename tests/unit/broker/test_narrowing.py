"""What a token is narrowed to becomes policies that must allow as well."""

import json
from dataclasses import replace

import pytest

from gateway.broker.narrowing import narrowing_of
from gateway.errors import InvalidAuthorizationDetails, InvalidScope
from gateway.identity import TokenRequest
from gateway.model import AccessRequest, Outcome, Principal, PrincipalKind
from gateway.policy import PolicySet
from gateway.policy.document import Dialect
from gateway.policy.grammar import read_document

ADA = Principal("people", "1", PrincipalKind.USER, "ada")
ASKED = TokenRequest("x", "y")
READ, LIST = "gateway:ReadFile", "gateway:ListFiles"
TRAIN, TEST = "dataset/vision/digits/v1/train.csv", "dataset/vision/digits/v1/test.csv"
ALL = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "dataset/vision/*"}


def access(actions, resources):
    return {"type": "gateway_access", "actions": actions, "resources": resources}


def policy(*statements):
    return {"type": "gateway_policy", "statements": list(statements)}


def allowed(narrowing, action, resource):
    document, _ = read_document(json.dumps({"Statement": ALL}), "all", Dialect.GATEWAY)
    request = AccessRequest(replace(ADA, session_policies=narrowing), action, resource)
    return PolicySet([document]).decide(request).outcome is Outcome.ALLOW


@pytest.mark.parametrize("scope", ["gateway:Everything", "gateway:*", "*", "openid", "s3:GetObject"])
def test_a_scope_that_is_no_action_is_refused(scope):
    with pytest.raises(InvalidScope):
        narrowing_of(replace(ASKED, scopes=(READ, scope)))


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"type": "payment"},
        {"type": ["gateway_access"]},
        access([], ["*"]),
        access([READ], []),
        access(READ, ["*"]),
        {"type": "gateway_access", "actions": [READ]},
        access([READ], ["*"]) | {"locations": ["https://x"]},
        access([7], ["*"]),
        access([READ], [{"a": 1}]),
        policy(),
        policy({"Effect": "Allow"}),
        policy({"Effect": "Allow", "Action": READ, "Resource": "*", "Principal": "*"}),
        policy({"Efect": "Allow", "Action": READ, "Resource": "*"}),
        {"type": "gateway_policy", "statements": {"Effect": "Allow", "Action": READ, "Resource": "*"}},
        policy("x"),
    ],
)
def test_details_of_another_form_are_refused(detail):
    with pytest.raises(InvalidAuthorizationDetails):
        narrowing_of(replace(ASKED, details=(detail,)))


def test_nothing_asked_for_is_no_narrowing():
    assert narrowing_of(ASKED) == ()


def test_a_scope_allows_its_actions_alone():
    narrowing = narrowing_of(replace(ASKED, scopes=(READ,)))
    assert allowed(narrowing, READ, TRAIN)
    assert not allowed(narrowing, LIST, TRAIN)


def test_a_narrowing_adds_nothing_to_policy():
    narrowing = narrowing_of(replace(ASKED, details=(access([READ], ["*"]),)))
    assert not allowed(narrowing, READ, "model/vision/digits/v1/a")


def test_details_add_up():
    narrowing = narrowing_of(replace(ASKED, details=(access([READ], [TRAIN]), access([LIST], [TEST]))))
    assert (allowed(narrowing, READ, TRAIN), allowed(narrowing, LIST, TEST)) == (True, True)
    assert (allowed(narrowing, READ, TEST), allowed(narrowing, LIST, TRAIN)) == (False, False)


def test_scope_and_details_must_both_allow():
    narrowing = narrowing_of(replace(ASKED, scopes=(READ,), details=(access([READ, LIST], [TRAIN]),)))
    assert len(narrowing) == 2
    assert allowed(narrowing, READ, TRAIN)
    assert not allowed(narrowing, LIST, TRAIN)
    assert not allowed(narrowing, READ, TEST)


def test_statements_may_deny_and_have_conditions():
    narrowing = narrowing_of(
        replace(
            ASKED,
            details=(
                policy(
                    {"Effect": "Allow", "Action": READ, "Resource": "dataset/vision/*"},
                    {"Effect": "Deny", "Action": READ, "Resource": TEST},
                ),
            ),
        )
    )
    assert allowed(narrowing, READ, TRAIN)
    assert not allowed(narrowing, READ, TEST)
