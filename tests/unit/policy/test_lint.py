import json

import pytest

from gateway.errors import InvalidPolicy
from gateway.policy.document import Dialect
from gateway.policy.lint import lint_bytes, lint_path, refused
from gateway.policy.notes import RULES
from gateway.policy.sarif import sarif


@pytest.fixture
def lint(statement):
    """What is found in one statement of the folder's dialect: codes, after checking that nothing is refused."""

    def run(version="2012-10-17", **elements):
        plain = {"Principal": {"Group": "ml"}, "Action": "gateway:ReadFile", "Resource": "dataset/vision/*"}
        text = json.dumps({"Version": version, "Statement": statement(**plain | elements)}, ensure_ascii=False)
        findings = lint_bytes(text.encode(), "policy.json", Dialect.GATEWAY)
        assert not refused(findings), findings
        return [finding.code for finding in findings]

    return run


def test_a_plain_statement_is_fine(lint):
    assert lint() == []


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"Action": "gateway:ReadFiles"}, "unknown-action"),
        ({"Action": "s3:GetObject"}, "unknown-action"),
        ({"Condition": {"StringEquals": {"gateway:Usr": "x"}}}, "unknown-key"),
        ({"Resource": "dataset/${aws:username}/*"}, "unknown-key"),
        ({"Condition": {"StringEquals": {"gateway:User": "${gateway:Usr, 'x'}"}}}, "unknown-key"),
        ({"Principal": "*"}, "allow-everyone"),
        ({"Action": None, "NotAction": "gateway:RotateKey"}, "allow-not-action"),
        ({"Resource": None, "NotResource": "dataset/secret/*"}, "allow-not-resource"),
        ({"Resource": "dataset/*"}, "crosses-namespaces"),
        ({"Resource": "*"}, "crosses-namespaces"),
        ({"Resource": "dataset/vis*"}, "crosses-namespaces"),
        (
            {"Resource": "dataset/*/digits/*", "Condition": {"Bool": {"aws:SecureTransport": True}}},
            "crosses-namespaces",
        ),
        ({"Resource": "datasets/vision/*"}, "never-matches"),
        ({"Resource": "dataset"}, "never-matches"),
        ({"Resource": "audit/gateway-1"}, "never-matches"),
        ({"Action": "gateway:ReadAudit"}, "never-matches"),
        ({"Effect": "Deny", "Principal": None, "NotPrincipal": "*"}, "never-matches"),
        ({"Condition": {"Null": {"gateway:User": "true"}, "StringEquals": {"gateway:User": "a"}}}, "never-matches"),
        (
            {"Condition": {"StringNotEquals": {"oidc:a": "b"}, "Null": {"oidc:a": "true"}, "Bool": {"OIDC:a": True}}},
            "never-matches",
        ),
        ({"Condition": {"ArnLike": {"oidc:arn": "arn:aws:iam"}}}, "never-matches"),
        ({"Condition": {"StringEquals": {"gateway:PrincipalKind": "robot"}}}, "never-matches"),
        (
            {
                "Condition": {
                    "NumericLessThan": {"gateway:AuthAge": 5},
                    "NumericGreaterThan": {"gateway:AuthAge": [9, 6]},
                }
            },
            "never-matches",
        ),
        (
            {
                "Condition": {
                    "DateGreaterThan": {"aws:CurrentTime": "2030"},
                    "DateLessThan": {"aws:CurrentTime": "2029"},
                }
            },
            "never-matches",
        ),
        ({"Condition": {"StringEquals": {"gateway:User": "ad*"}}}, "wildcard-literal"),
        ({"Condition": {"ForAnyValue:StringEquals": {"gateway:User": "ada"}}}, "set-operator"),
        ({"Condition": {"StringEquals": {"gateway:Groups": "ml"}}}, "set-operator"),
        ({"Condition": {"ForAllValues:StringEquals": {"gateway:Groups": "ml"}}}, "for-all-values-missing"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.1/8"}}}, "range-bits"),
        ({"Condition": {}}, "empty-condition"),
        ({"Condition": {"StringEquals": {}}}, "empty-condition"),
        ({"Effect": "Deny", "Resource": "dataset/home-${gateway:User}/*"}, "unresolved-variable"),
        ({"Condition": {"StringNotEquals": {"oidc:owner": "${gateway:User}"}}}, "unresolved-variable"),
        ({"version": "2008-10-17", "Resource": "dataset/home-${gateway:User}/*"}, "old-version"),
        ({"Principal": {"User": "\u0430da"}}, "look-alike"),
        ({"Principal": {"User": "e\u0301mile"}}, "look-alike"),
        ({"Principal": {"User": "ada\u200b"}}, "look-alike"),
    ],
)
def test_what_is_legal_and_wrong_is_told(lint, elements, code):
    assert lint(**elements) == [code]


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "hvs." + "A" * 24,
        "ghp_" + "a" * 36,
        "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiJhZGEifQ" + ".x",
        "postgres://ada:" + "letmein@db",
        "-----BEGIN " + "PRIVATE KEY-----",
    ],
)
def test_a_secret_is_told_and_not_repeated(statement, secret):
    text = json.dumps({"Id": secret, "Version": "2012-10-17", "Statement": statement(Principal={"User": "ada"},
                       Action="gateway:RotateKey")})  # fmt: skip
    (finding,) = lint_bytes(text.encode(), "policy.json", Dialect.GATEWAY)
    assert finding.code == "secret"
    assert secret not in str(finding)


@pytest.mark.parametrize(
    "elements",
    [
        {"Action": ["gateway:Read*", "gateway:*"], "Resource": "dataset/vision/*"},
        {"Effect": "Deny", "Principal": "*", "Resource": "*"},
        {"Action": "*", "Resource": ["audit/*", "model/vision/x/*"]},
        {"Action": "gateway:DescribeResource", "Resource": "*"},
        {"Resource": "*", "Condition": {"StringEquals": {"gateway:ResourceTag/owner": "x", "oidc:role": "y"}}},
        {"Condition": {"Null": {"gateway:User": "false"}, "StringEquals": {"gateway:User": "a"}}},
        {"Condition": {"Null": {"gateway:User": "true"}, "StringNotEquals": {"gateway:User": "a"}}},
        {"Condition": {"StringEquals": {"gateway:PrincipalKind": ["user", "${oidc:kind}"]}}},
        {"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2029"}, "DateLessThan": {"aws:CurrentTime": "2030"}}},
        {"Condition": {"NumericLessThan": {"oidc:a": 1}, "NumericGreaterThan": {"oidc:a": 2}}},
        {"Condition": {"NumericLessThan": {"aws:EpochTime": 1}, "DateGreaterThan": {"aws:EpochTime": 2}}},
        {"Condition": {"NumericLessThan": {"gateway:AuthAge": 1}, "NumericLessThanEquals": {"gateway:AuthAge": 2}}},
        {
            "Condition": {
                "NumericLessThanIfExists": {"gateway:AuthAge": 1},
                "NumericGreaterThanIfExists": {"gateway:AuthAge": 2},
            }
        },
        {"Condition": {"StringEquals": {"gateway:User": "a${*}"}, "ArnLike": {"oidc:arn": ["*", "arn:a:b:c:d:e"]}}},
        {"Effect": "Deny", "Resource": "dataset/home-${gateway:User, 'nobody'}/*"},
        {"Effect": "Deny", "Condition": {"StringNotEquals": {"oidc:owner": "${gateway:User}"}}},
        {"Condition": {"StringEquals": {"oidc:owner": "${gateway:User}"}}},
        {"Effect": "Deny", "Condition": {"ForAllValues:StringEquals": {"gateway:Groups": "ml"}}},
        {
            "Condition": {
                "ForAnyValue:StringEquals": {"gateway:Amr": "mfa"},
                "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
            }
        },
        {"Principal": {"User": "\u03b1\u03bb\u03c6\u03b1"}},
    ],
)
def test_what_is_right_is_not_told(lint, elements):
    assert lint(**elements) == []


def of_folder(path):
    return [(finding.file.rpartition("/")[2], finding.code) for finding in lint_path(path)]


def test_a_deny_that_covers_an_allow_is_told(folder, statement):
    allow = statement(Principal={"User": "ada"}, Action="gateway:RotateKey", Resource="dataset/vision/a")
    deny = statement(Effect="Deny", Principal={"User": "*"}, Action="gateway:R*", Resource="dataset/*")
    path = folder(a={"Statement": allow}, b={"Statement": deny})
    assert of_folder(path) == [("a.json", "shadowed")]


def test_of_two_that_say_the_same_the_later_is_told(folder, statement):
    same = statement(Principal={"User": "ada"}, Action="gateway:RotateKey")
    path = folder(a={"Statement": same}, b={"Statement": same})
    assert of_folder(path) == [("b.json", "shadowed")]


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({}, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
        ({}, {"Principal": {"User": "bob"}}),
        ({}, {"Resource": "dataset/vision/b"}),
        ({}, {"Action": "gateway:MoveTag"}),
        ({"Effect": "Deny"}, {"Principal": {"User": "*"}, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
        ({"Effect": "Deny", "Principal": None, "NotPrincipal": {"User": "eve"}}, {"Effect": "Deny"}),
        ({"Effect": "Deny", "Action": None, "NotAction": "gateway:MoveTag"}, {"Effect": "Deny"}),
        ({"Effect": "Deny", "Resource": None, "NotResource": "model/a/b"}, {"Effect": "Deny"}),
    ],
)
def test_what_is_not_covered_is_not_told(folder, statement, narrow, wide):
    plain = {"Principal": {"User": "ada"}, "Action": "gateway:RotateKey", "Resource": "dataset/vision/a"}
    path = folder(a={"Statement": statement(**plain | narrow)}, b={"Statement": statement(**plain | wide)})
    assert ("a.json", "shadowed") not in of_folder(path)


def test_all_that_is_not_named_is_covered_by_everything(folder, statement):
    narrow = statement(Effect="Deny", Action=None, NotAction="gateway:MoveTag", Resource=None, NotResource="model/a/b",
                       Principal=None, NotPrincipal={"User": "eve"})  # fmt: skip
    path = folder(a={"Statement": narrow}, b={"Statement": statement(Effect="Deny")})
    assert of_folder(path) == [("a.json", "shadowed")]


def test_a_folder_tells_the_faults_of_each_file(folder, statement):
    path = folder(a={"Statement": statement(Principal=None)}, b="{", c={"Statement": statement(Action="gateway:Red")})
    assert of_folder(path) == [
        ("a.json", "language"),
        ("b.json", "syntax"),
        ("c.json", "allow-everyone"),
        ("c.json", "unknown-action"),
    ]


def test_the_generic_language_has_no_warnings(folder):
    path = folder(a={"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    assert lint_path(path, Dialect.GENERIC) == []
    assert lint_path(path / "a.json", Dialect.GENERIC) == []


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InvalidPolicy, match="holds no policy"):
        lint_path(tmp_path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    (finding,) = lint_path(tmp_path / "a.json")
    assert (finding.code, finding.line) == ("unreadable", 1)


def test_sarif_names_each_rule_and_place(folder, statement):
    path = folder(a={"Statement": statement(Action="gateway:Red")}, b="{")
    (run,) = sarif(lint_path(path))["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert set(RULES) < rules
    assert {result["ruleId"] for result in run["results"]} <= rules
    assert [result["level"] for result in run["results"]] == ["warning", "warning", "error"]
    place = run["results"][-1]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": str(path / "b.json")}, "region": {"startLine": 1, "startColumn": 2}}
