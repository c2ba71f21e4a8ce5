import json
from dataclasses import replace

import pytest

from gateway.policy import explain, reason


def told(policies, request):
    return {trace.name: trace for trace in explain(policies, request).statements}


def test_what_matched_comes_before_what_nearly_did(policies, statement, ask):
    near = statement(Sid="Near", Action="gateway:ListFiles")
    far = statement(Sid="Far", Action="gateway:ListFiles", Resource="model/*")
    found = explain(policies(near, far, statement(Sid="All")), ask())
    assert [(trace.name, trace.matched) for trace in found.statements] == [("policy#All", True), ("policy#Near", False)]
    assert found.advice == ()


def test_a_condition_shows_what_it_wanted_and_what_it_met(policies, statement, ask):
    condition = {
        "NumericLessThan": {"gateway:LinkTtl": 300},
        "NumericGreaterThan": {"gateway:LinkTtl": 30},
        "StringEquals": {"gateway:Purpose": ["a", "b"]},
    }
    trace = told(policies(statement(Condition=condition)), ask(gateway__linkttl="600"))["policy#0"]
    assert trace.named
    assert [(one.key, one.wanted, one.found, one.met) for one in trace.conditions] == [
        ("gateway:LinkTtl", ("300",), ("600",), False),
        ("gateway:LinkTtl", ("30",), ("600",), True),
        ("gateway:Purpose", ("a", "b"), (), False),
    ]
    assert trace.advice == (
        "policy#0 would allow this if gateway:LinkTtl fitted NumericLessThan '300'; it is '600'.",
        "policy#0 would allow this if gateway:Purpose fitted StringEquals 'a' or 'b'; it is missing.",
    )


@pytest.mark.parametrize(
    ("elements", "advice"),
    [
        ({"Principal": {"Group": ["b", "a"]}}, "would allow this to 'Group:a' or 'Group:b'."),
        ({"Action": "gateway:ListFiles"}, "would allow 'gateway:ListFiles' instead."),
        ({"Resource": ["model/*", "dataset/public/*"]}, "would allow this on 'model/*' or 'dataset/public/*'."),
        (
            {"Condition": {"Null": {"gateway:Purpose": "false"}}},
            "would allow this if gateway:Purpose were there; it is missing.",
        ),
        (
            {"Condition": {"Null": {"gateway:User": "true"}}},
            "would allow this if gateway:User were missing; it is 'ada'.",
        ),
    ],
)
def test_advice_names_what_would_have_to_change(policies, statement, ask, elements, advice):
    found = explain(policies(statement(**elements)), ask(gateway__User="ada"))
    assert found.advice == (f"policy#0 {advice}",)


def test_advice_on_a_deny_names_its_conditions(policies, statement, ask):
    condition = {"StringEquals": {"gateway:ResourceTag/sensitivity": "restricted"}}
    denied = policies(statement(), statement(Effect="Deny", Condition=condition), statement(Sid="N", Effect="Deny"))
    request = ask(**{"gateway:ResourceTag/sensitivity": "restricted"})
    asked = "gateway:ResourceTag/sensitivity (StringEquals 'restricted'; it is 'restricted')"
    assert explain(denied, request).advice == (
        f"policy#1 denies this, as long as {asked}.",
        "policy#N denies this, always.",
    )


def test_a_deny_about_somebody_else_is_not_told(policies, statement, ask):
    assert told(policies(statement(Effect="Deny", Principal={"User": "eve"})), ask()) == {}


def test_a_deny_whose_condition_fails_is_told(policies, statement, ask):
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    assert told(policies(statement(Effect="Deny", Condition=condition)), ask())["policy#0"].near


def test_not_principal_is_explained(policies, statement, ask):
    spared = statement(Effect="Deny", Principal=None, NotPrincipal={"User": "ada"})
    assert told(policies(spared), ask()) == {}
    other = statement(Effect="Deny", Principal=None, NotPrincipal={"User": "eve"})
    assert told(policies(other), ask())["policy#0"].matched


def test_a_narrowing_is_explained_too(policies, statement, ask, ada):
    narrow = json.dumps({"Statement": statement(Principal=None, Action="gateway:ListFiles")})
    found = explain(policies(statement()), ask(principal=replace(ada, session_policies=(narrow,))))
    assert found.advice == ("session-1#0 would allow 'gateway:ListFiles' instead.",)
    unreadable = explain(policies(statement()), ask(principal=replace(ada, session_policies=("{",))))
    assert (unreadable.statements, unreadable.decision.allowed) == ((), False)


def test_an_explanation_agrees_with_the_decision(policies, statement, ask):
    some = policies(statement(Resource="dataset/vision/*"), statement(Effect="Deny", Action="gateway:ReadAudit"))
    for resource in ("dataset/vision/a/v1/x", "dataset/public/a/v1/x"):
        found = explain(some, ask(resource=resource))
        assert found.decision == some.decide(ask(resource=resource))
        assert {one.name for one in found.statements if one.matched} == set(found.decision.statements)


def test_a_refused_caller_learns_nothing_but_what_they_sent(policies, statement, ask):
    condition = {"StringEquals": {"gateway:ResourceTag/sensitivity": "restricted"}}
    guarded = policies(statement(Sid="Guard", Effect="Deny", Condition=condition))
    request = ask(**{"gateway:ResourceTag/sensitivity": "restricted"})
    sentence = reason(request, guarded.decide(request))
    assert sentence == ("ada may not do gateway:ReadFile on dataset/vision/digits/v1/a.csv: a policy forbids it.")


def test_a_refused_caller_learns_of_a_login_that_would_help(policies, statement, ask):
    request = ask()
    decision = policies(statement(Condition={"ForAnyValue:StringEquals": {"gateway:Amr": "mfa"}})).decide(request)
    assert reason(request, decision).endswith("no policy allows it. A new login with amr=mfa would help.")
