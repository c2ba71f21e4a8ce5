import json
from dataclasses import replace

import pytest

from gateway.model import Outcome, Principal, PrincipalKind
from gateway.policy import PolicySet


def test_no_policy_denies(ask):
    assert PolicySet([]).decide(ask()).outcome is Outcome.IMPLICIT_DENY


def test_deny_overrides_allow(policies, statement, ask):
    found = policies(statement(Sid="All"), statement(Sid="No", Effect="Deny", Principal={"User": "ada"})).decide(ask())
    assert (found.outcome, found.statements) == (Outcome.EXPLICIT_DENY, ("policy#No",))


def test_what_no_statement_is_about_is_denied(policies, statement, ask):
    assert not policies(statement(Action="gateway:ListFiles")).decide(ask()).allowed
    assert not policies(statement(Resource="dataset/vision/digits/v1/a.cs")).decide(ask()).allowed


def test_a_decision_names_its_statements_in_order_and_the_set(read, statement, ask):
    documents = [read(statement(), statement(Sid="Second"), name="b"), read(statement(Sid="Zed"), name="a")]
    policies = PolicySet(documents)
    found = policies.decide(ask())
    assert found.statements == ("a#Zed", "b#0", "b#Second")
    assert found.policy_digest == policies.digest


def test_the_digest_is_of_names_and_texts_in_any_order(read, statement):
    one, two = read(statement(), name="a"), read(statement(Effect="Deny"), name="b")
    assert PolicySet([one, two]).digest == PolicySet([two, one]).digest
    assert PolicySet([one]).digest != PolicySet([read(statement(), name="b")]).digest
    assert len(PolicySet([one]).digest) == 64


@pytest.mark.parametrize(
    ("named", "matches"),
    [
        ({"User": "ada"}, True),
        ({"User": "ad"}, False),
        ({"User": "*"}, True),
        ({"Workload": "ada"}, False),
        ({"Workload": "*"}, False),
        ({"Group": "staff"}, True),
        ({"Group": ["interns", "ml-research"]}, True),
        ({"Group": "*"}, True),
        ({"Group": "ada"}, False),
        ({"Issuer": "people"}, True),
        ({"Issuer": "*"}, True),
        ({"Issuer": "jobs"}, False),
        ("*", True),
    ],
)
def test_principals_match_exactly_or_all(policies, statement, ask, named, matches):
    assert policies(statement(Principal=named)).decide(ask()).allowed is matches


def test_a_workload_is_no_user(policies, statement, ask):
    trainer = Principal("jobs", "1", PrincipalKind.WORKLOAD, "ada")
    assert not policies(statement(Principal={"User": "ada"})).decide(ask(principal=trainer)).allowed
    assert policies(statement(Principal={"Workload": "ada"})).decide(ask(principal=trainer)).allowed
    assert not policies(statement(Principal={"Group": "*"})).decide(ask(principal=trainer)).allowed


def test_a_group_cannot_pose_as_a_user(policies, statement, ask, ada):
    posing = replace(ada, name="eve", groups=frozenset({"User:ada", "ada"}))
    assert not policies(statement(Principal={"User": "ada"})).decide(ask(principal=posing)).allowed


def test_a_narrowing_must_allow_as_well(policies, statement, ask, ada):
    narrow = json.dumps({"Statement": statement(Sid="N", Principal=None, Resource="dataset/public/*")})
    bearer = replace(ada, session_policies=(narrow,))
    everything = policies(statement(Sid="All"))
    assert everything.decide(ask(principal=bearer)).outcome is Outcome.IMPLICIT_DENY
    allowed = everything.decide(ask(principal=bearer, resource="dataset/public/a/v1/x"))
    assert allowed.statements == ("policy#All", "session-1#N")


def test_a_narrowing_grants_nothing(policies, statement, ask, ada):
    wide = json.dumps({"Statement": statement(Principal=None)})
    bearer = replace(ada, session_policies=(wide,))
    assert not policies(statement(Resource="dataset/public/*")).decide(ask(principal=bearer)).allowed


def test_a_narrowings_deny_holds(policies, statement, ask, ada):
    narrow = json.dumps({"Statement": [statement(Principal=None), statement(Principal=None, Sid="No", Effect="Deny")]})
    found = policies(statement()).decide(ask(principal=replace(ada, session_policies=(narrow,))))
    assert (found.outcome, found.statements) == (Outcome.EXPLICIT_DENY, ("session-1#No",))


def test_every_narrowing_must_allow(policies, statement, ask, ada):
    wide, narrow = (json.dumps({"Statement": statement(Principal=None, Action=a)}) for a in ("*", "gateway:ListFiles"))
    bearer = replace(ada, session_policies=(wide, narrow))
    assert not policies(statement()).decide(ask(principal=bearer)).allowed


@pytest.mark.parametrize("text", ["", "{}", '{"Statement": {"Effect": "Allow", "Principal": "*"}}'])
def test_a_narrowing_that_cannot_be_read_allows_nothing(policies, statement, ask, ada, text):
    found = policies(statement()).decide(ask(principal=replace(ada, session_policies=(text,))))
    assert found.outcome is Outcome.IMPLICIT_DENY


def test_a_very_deep_path_is_still_found(policies, statement, ask):
    deep = "dataset/vision/" + "d/" * 500
    assert policies(statement(Resource=deep + "*")).decide(ask(resource=deep + "x")).allowed
    assert policies(statement(Resource=deep + "x")).decide(ask(resource=deep + "x")).allowed
    assert not policies(statement(Resource=deep + "y*")).decide(ask(resource=deep + "x")).allowed


def test_a_star_does_not_stop_at_a_slash_and_a_prefix_is_no_segment(policies, statement, ask):
    vision = policies(statement(Resource="dataset/vision*"))
    assert vision.decide(ask(resource="dataset/vision/a/v1/x")).allowed
    assert vision.decide(ask(resource="dataset/vision-secret/a/v1/x")).allowed
    assert not policies(statement(Resource="dataset/vision/*")).decide(ask(resource="dataset/vision-secret/a")).allowed


def test_a_wildcard_in_a_request_is_a_letter(policies, statement, ask):
    assert not policies(statement(Resource="dataset/vision/a")).decide(ask(resource="dataset/*/a")).allowed
