import pytest

from gateway.model import Outcome

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
        {"NumericEquals": {"gateway:AuthAge": "5"}},
        {"NumericLessThan": {"gateway:AuthAge": "0"}},
    ],
)
def test_no_challenge_where_no_certain_login_is_asked_for(policies, statement, ask, condition):
    assert policies(statement(Condition=condition)).decide(ask()).step_up == ""


def test_the_mildest_challenge_is_told(policies, statement, ask):
    ages = {"NumericLessThanEquals": {"gateway:AuthAge": ["60", "3600"]}}
    found = policies(statement(Condition=ages)).decide(ask(gateway__AuthAge="4000"))
    assert found.step_up == "max_age=3600"
