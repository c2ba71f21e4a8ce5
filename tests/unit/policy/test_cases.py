import json

import pytest

from gateway.errors import InvalidPolicy
from gateway.policy.cases import run_cases

REQUEST = {"principal": {"User": "ada"}, "action": "gateway:ReadFile", "resource": "dataset/a/b/v1/c"}
SECURE = {"Bool": {"aws:SecureTransport": "true"}}


def case(**more):
    return {"name": "reads", "request": REQUEST, "decision": "allow"} | more


@pytest.fixture
def run(folder, statement):
    """Run these cases on one policy of these elements."""

    def go(*cases, other=None, **elements):
        policies = {"a": {"Statement": statement(Sid="S", **elements)}, "a_cases": {"cases": list(cases)}}
        if other:
            policies["b"] = {"Statement": other}
        return run_cases(folder(**policies))

    return go


def test_no_case_at_all_proves_nothing(run):
    assert not run().passed


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"decision": "explicitDeny"}, "expected explicitDeny, got allow by S"),
        ({"statements": ["Other"]}, "expected it by Other, got it by S"),
        ({"statements": []}, "expected it by no statement, got it by S"),
    ],
)
def test_a_wrong_case_fails_and_says_how(run, wrong, fault):
    report = run(case(), case(**wrong))
    assert not report.passed
    assert [result.fault for result in report.results] == ["", fault]


def test_a_right_case_passes(run):
    report = run(case(), case(statements=["S"]))
    assert report.passed
    assert report.gaps == ()


def test_a_case_asks_its_own_policy_unless_it_says_otherwise(run, statement):
    denies = statement(Effect="Deny", Sid="No")
    whole = case(scope="folder", decision="explicitDeny", statements=["b#No"])
    report = run(case(scope="policy"), whole, other=denies)
    assert report.passed
    assert report.gaps == ()


def test_what_no_case_reached_is_told(run):
    report = run(case(decision="implicitDeny"), Condition=SECURE | {"Null": {"gateway:User": "true"}})
    assert [(gap.statement, gap.missing) for gap in report.gaps] == [
        ("a#S", "no case matches it"),
        ("a#S", "no case meets Bool on aws:SecureTransport"),
        ("a#S", "no case fails Null on gateway:User"),
    ]


def test_a_condition_needs_a_case_on_either_side(run):
    met = case(request=REQUEST | {"context": {"aws:SecureTransport": "true"}})
    assert [gap.missing for gap in run(met, Condition=SECURE).gaps] == ["no case fails Bool on aws:SecureTransport"]
    assert run(met, case(decision="implicitDeny"), Condition=SECURE).gaps == ()
    twice = {"Bool": {"aws:SecureTransport": "true", "AWS:SecureTransport2": "true"}}
    neither = case(request=REQUEST | {"context": {"aws:SecureTransport2": "true"}}, decision="implicitDeny")
    gaps = run(met | {"decision": "implicitDeny"}, neither, Condition=twice).gaps
    assert [gap.missing for gap in gaps] == ["no case matches it"]


def test_a_case_about_something_else_reaches_nothing(run):
    other = case(request=REQUEST | {"action": "gateway:ListFiles"}, decision="implicitDeny")
    assert [gap.missing for gap in run(other, Action="gateway:ReadFile").gaps] == ["no case matches it"]


def test_a_policy_without_cases_is_all_gaps(folder, statement):
    report = run_cases(folder(a={"Statement": statement()}))
    assert [gap.missing for gap in report.gaps] == ["no case matches it"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "ends too early"),
        ("[]", "object"),
        ("{}", "no 'cases'"),
        ('{"cases": {}}', "is a list"),
        ('{"cases": [{}]}', "no 'name'"),
        (json.dumps({"cases": [case(expect="allow")]}), "no element 'expect'"),
        (json.dumps({"cases": [case(decision="permit")]}), "allow, explicitDeny or implicitDeny"),
        (json.dumps({"cases": [case(scope="world")]}), "policy or folder"),
        (json.dumps({"cases": [case(statements="S")]}), "is a list"),
        (json.dumps({"cases": [case(request={})]}), "no 'action'"),
    ],
)
def test_a_cases_file_of_another_form_is_refused(folder, statement, text, says):
    with pytest.raises(InvalidPolicy, match=says):
        run_cases(folder(a={"Statement": statement()}, a_cases=text))


def test_an_invalid_policy_is_refused(folder, tmp_path):
    with pytest.raises(InvalidPolicy, match="holds no policy"):
        run_cases(tmp_path)
    with pytest.raises(InvalidPolicy, match=r"a\.json:1:2"):
        run_cases(folder(a="{"))
