import json
from dataclasses import replace

import pytest

from gateway.model import Outcome
from gateway.policy.stepup import MAX_TRIES, Demands

MFA = {"ForAnyValue:StringEquals": {"gateway:Amr": "mfa"}}
FRESH = {"NumericLessThanEquals": {"gateway:AuthAge": "300"}}
STRONG = {"StringEquals": {"gateway:Acr": "urn:strong"}}


@pytest.mark.parametrize(
    ("condition", "challenge"),
    [
        (MFA, "amr=mfa"),
        (FRESH, "max_age=300"),
        ({"NumericLessThan": {"gateway:AuthAge": "300"}}, "max_age=299"),
        ({"NumericLessThan": {"gateway:AuthAge": "300.5"}}, "max_age=299"),
        (STRONG, "acr=urn:strong"),
        (STRONG | FRESH, "acr=urn:strong;max_age=300"),
        (STRONG | FRESH | MFA, "acr=urn:strong;amr=mfa;max_age=300"),
    ],
)
def test_a_condition_on_the_login_is_a_challenge(policies, statement, ask, condition, challenge):
    found = policies(statement(Condition=condition)).decide(ask(gateway__AuthAge="4000", gateway__Amr=("pwd",)))
    assert (found.outcome, found.step_up) == (Outcome.IMPLICIT_DENY, challenge)


@pytest.mark.parametrize(
    ("condition", "challenge"),
    [
        ({"ForAllValues:StringNotEquals": {"gateway:Amr": "mfa"}}, "amr=mfa"),
        ({"NumericGreaterThan": {"gateway:AuthAge": "300"}}, "max_age=300"),
        ({"NumericGreaterThanEquals": {"gateway:AuthAge": "300"}}, "max_age=299"),
        ({"StringNotEquals": {"gateway:Acr": "urn:strong"}}, "acr=urn:strong"),
    ],
)
def test_a_deny_that_a_login_would_lift_is_a_challenge(policies, statement, ask, condition, challenge):
    found = policies(statement(), statement(Effect="Deny", Condition=condition)).decide(ask(gateway__AuthAge="4000"))
    assert (found.outcome, found.step_up) == (Outcome.EXPLICIT_DENY, challenge)


def test_no_challenge_where_something_else_is_missing_too(policies, statement, ask):
    condition = MFA | {"StringEquals": {"gateway:Purpose": "incident"}}
    assert policies(statement(Condition=condition)).decide(ask()).step_up == ""


def test_no_challenge_where_another_deny_remains(policies, statement, ask):
    found = policies(statement(Condition=MFA), statement(Effect="Deny")).decide(ask())
    assert found.step_up == ""


def test_no_challenge_where_access_is_allowed(policies, statement, ask):
    assert policies(statement(Condition=MFA), statement()).decide(ask()).step_up == ""


@pytest.mark.parametrize(
    "condition",
    [
        {"StringLike": {"gateway:Acr": "urn:*"}},
        {"Null": {"gateway:Acr": "false"}},
        {"StringEquals": {"gateway:Acr": "a;max_age=never"}},
        {"StringEquals": {"gateway:Acr": 'a", error="none'}},
        {"StringEquals": {"gateway:Acr": "two words"}},
        {"StringEquals": {"gateway:Acr": "\u00e9"}},
        {"StringEquals": {"gateway:Acr": "x" * 201}},
        {"NumericEquals": {"gateway:AuthAge": "5"}},
        {"NumericLessThan": {"gateway:AuthAge": "0"}},
    ],
)
def test_no_challenge_where_no_certain_login_is_asked_for(policies, statement, ask, condition):
    assert policies(statement(Condition=condition)).decide(ask()).step_up == ""


def narrowed(ada, **elements):
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"} | elements
    return replace(ada, session_policies=(json.dumps({"Version": "2012-10-17", "Statement": [statement]}),))


def test_no_challenge_where_a_narrowing_forbids_for_good(policies, statement, ask, ada):
    found = policies(statement(Condition=MFA)).decide(ask(principal=narrowed(ada, Action="gateway:MoveTag")))
    assert found.step_up == ""


def test_a_condition_of_a_narrowing_is_a_challenge(policies, statement, ask, ada):
    asked = ask(principal=narrowed(ada, Condition=FRESH), gateway__AuthAge="4000")
    found = policies(statement()).decide(asked)
    assert (found.outcome, found.step_up) == (Outcome.IMPLICIT_DENY, "max_age=300")


def test_what_policies_and_narrowing_ask_for_is_one_challenge(policies, statement, ask, ada):
    asked = ask(principal=narrowed(ada, Condition=FRESH), gateway__AuthAge="4000")
    assert policies(statement(Condition=MFA)).decide(asked).step_up == "amr=mfa;max_age=300"


def test_a_narrowing_that_asks_for_thousands_of_logins_is_tried_as_few_times_as_any(policies, statement, ask, ada):
    many = {"StringEquals": {"gateway:Acr": [str(n) for n in range(1500)], "oidc:x": "y"}}
    many |= {"ForAnyValue:StringEquals": {"gateway:Amr": [str(n) for n in range(1500)]}}
    assert policies(statement()).decide(ask(principal=narrowed(ada, Condition=many))).step_up == ""
    demands = Demands(acrs=frozenset(map(str, range(1500))), amrs=frozenset(map(str, range(1500))))
    assert len(list(demands.logins())) == MAX_TRIES


def test_the_mildest_challenge_is_told(policies, statement, ask):
    ages = {"NumericLessThanEquals": {"gateway:AuthAge": ["60", "3600"]}}
    found = policies(statement(Condition=ages)).decide(ask(gateway__AuthAge="4000"))
    assert found.step_up == "max_age=3600"
