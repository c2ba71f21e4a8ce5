"""The policy language by its named vectors: conditions, decisions, and what is refused where and why."""

import json
from pathlib import Path

import pytest

from gateway.policy.document import Dialect
from gateway.policy.evaluate import answer
from gateway.policy.lint import lint_bytes
from gateway.policy.reference import reference_decision

FOLDER = Path(__file__).parent / "policy"


def vectors(name, member):
    return [pytest.param(one, id=one["name"]) for one in json.loads((FOLDER / name).read_text())[member]]


def asked(policies, request):
    return answer(json.dumps({"policies": policies, "request": request}).encode())


def referenced(policies, request):
    context = request.get("context", {})
    principal = request.get("principal", {})
    return reference_decision(policies, principal, request["action"], request["resource"], context)[0]


@pytest.mark.parametrize("row", vectors("conditions.json", "rows"))
def test_a_condition_holds_as_aws_documents_it(row):
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": row["condition"]}
    policies = [{"Version": row.get("version", "2012-10-17"), "Statement": statement}]
    request = {"principal": "ada", "action": "a:B", "resource": "r", "context": row["context"]}
    decision = "allow" if row["holds"] else "implicitDeny"
    statements = [0] if row["holds"] else []
    assert asked(policies, request) == {"decision": decision, "statements": statements, "errors": []}
    assert referenced(policies, request) == decision


@pytest.mark.parametrize("vector", vectors("decisions.json", "vectors"))
def test_a_request_is_decided_as_aws_documents_it(vector):
    wanted = {"decision": vector["decision"], "statements": vector["statements"], "errors": []}
    assert asked(vector["policies"], vector["request"]) == wanted
    assert referenced(vector["policies"], vector["request"]) == vector["decision"]


def text_of(vector):
    if "text" in vector:
        return vector["text"]
    statement = vector.get("statement", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    if "condition" in vector:
        statement = statement | {"Condition": vector["condition"]}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.mark.parametrize("vector", vectors("refused.json", "vectors"))
def test_a_document_is_refused_with_the_place_and_the_reason(vector):
    findings = lint_bytes(text_of(vector).encode(), "policy.json", Dialect.GENERIC)
    assert [finding.severity for finding in findings] == ["error"]
    assert vector["says"] in f"{findings[0].message} {findings[0].suggestion}"
    if "place" in vector:
        assert [findings[0].line, findings[0].column] == vector["place"]


@pytest.mark.parametrize("vector", [one for one in vectors("refused.json", "vectors") if "text" not in one.values[0]])
def test_a_request_to_a_refused_policy_is_invalid_and_says_why(vector):
    policies = [json.loads(text_of(vector))]
    found = asked(policies, {"principal": "ada", "action": "a:B", "resource": "r"})
    assert (found["decision"], found["statements"]) == ("invalid", [])
    assert vector["says"] in found["errors"][0]
