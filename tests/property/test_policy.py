"""What holds for all policies and all requests."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import AccessRequest, Outcome, Principal, PrincipalKind
from gateway.policy.decide import PolicySet
from gateway.policy.document import Dialect
from gateway.policy.evaluate import answer
from gateway.policy.findings import Refusal
from gateway.policy.glob import compile_glob, covers
from gateway.policy.grammar import read_document
from gateway.policy.reference import glob_by_table, reference_decision
from gateway.policy.scanner import Number, scan
from gateway.policy.template import Variable, Wild, parse

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""These prove what is true, not how fast; the machine may be busy."""

ORDER = {"explicitDeny": 0, "implicitDeny": 1, "allow": 2}
"""From the least to the most that is granted."""

NAMES = ("ada", "bob", "*")
GROUPS = ("ml", "ops")
ACTIONS = ("s3:GetObject", "s3:PutObject", "S3:getobject", "iam:PassRole")
ACTION_PATTERNS = (*ACTIONS, "*", "s3:*", "S3:Get*", "*:*Object", "iam:?assRole")
RESOURCES = ("a", "a/b", "a/b/c", "a/*/c", "arn:aws:s3:::a/b", "home/ada/x", "home/*/x", "A/b", "")
RESOURCE_PATTERNS = (
    "*", "a", "a/*", "a/b*", "?/b", "*c", "a/*/c", "arn:aws:s3:::a/*", "home/${k:User}/*", "home/${k:User, 'ada'}/x",
    "a/${*}/c", "${k:None}", "${k:None, 'a'}", "a/${$}", "**", "*/b*",
)  # fmt: skip
KEYS = ("k:User", "K:user", "k:n", "k:list", "k:None")
TEXTS = ("ada", "ADA", "*", "a?a", "", "${k:User}", "${k:None, 'x'}", "${*}", "x", "a*")
NUMBERS = ("1", "1.0", "-2", "30", "2020")
DATES = ("2020-01-01", "2020", "1577836800", "2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00")
RANGES = ("10.0.0.0/8", "10.0.0.1", "0.0.0.0/0", "2001:db8::/32", "10.1.2.3/8")
ARNS = ("arn:aws:s3:::a", "arn:aws:s3:*:*:a*", "*", "arn:aws:s3", "arn:aws:s3:::${k:User}", "arn:aws:s3:a:b:c:d")
BASE64 = ("YWRh", "eA==")
VALUES = (*TEXTS[:5], "x", *NUMBERS, *DATES, "true", "FALSE", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", *BASE64,
          "arn:aws:s3:::a", "arn:aws:s3:a:b:c:d", "arn:aws:s3:::ada")  # fmt: skip

FAMILIES = (
    (("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
      "StringNotLike"), TEXTS),
    (tuple("Numeric" + n for n in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan",
                                   "GreaterThanEquals")), NUMBERS),
    (tuple("Date" + n for n in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan",
                                "GreaterThanEquals")), DATES),
    (("Bool",), ("true", "FALSE", True, False)),
    (("IpAddress", "NotIpAddress"), RANGES),
    (("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"), ARNS),
    (("BinaryEquals",), BASE64),
)  # fmt: skip


def some(values, least=1, most=3):
    return st.lists(st.sampled_from(values), min_size=least, max_size=most)


@st.composite
def condition_blocks(draw):
    operators, values = draw(st.sampled_from(FAMILIES))
    name = draw(st.sampled_from(operators))
    name = draw(st.sampled_from(("", "ForAllValues:", "ForAnyValue:"))) + name + draw(st.sampled_from(("", "IfExists")))
    return name, {draw(st.sampled_from(KEYS)): draw(some(values))}


def null_blocks():
    return st.builds(lambda key, value: ("Null", {key: value}), st.sampled_from(KEYS), st.sampled_from(("true", False)))


def conditions():
    return st.lists(st.one_of(condition_blocks(), null_blocks()), max_size=2).map(dict)


def principals():
    return st.one_of(
        st.just("*"),
        st.dictionaries(st.sampled_from(("AWS", "User", "Workload", "Issuer")), some(NAMES), min_size=1),
        st.builds(lambda groups: {"Group": groups}, some((*GROUPS, "*"))),
    )


def statements(effects=("Allow", "Deny")):
    allow_or_deny = st.fixed_dictionaries({"Effect": st.sampled_from(effects)})
    action = st.builds(dict_of, st.sampled_from(("Action", "NotAction")), some(ACTION_PATTERNS))
    resource = st.builds(dict_of, st.sampled_from(("Resource", "NotResource")), some(RESOURCE_PATTERNS))
    principal = st.one_of(st.just({}), st.builds(dict_of, st.sampled_from(("Principal", "NotPrincipal")), principals()))
    condition = st.builds(dict_of, st.just("Condition"), conditions())
    return st.builds(merged, allow_or_deny, action, resource, principal, condition)


def dict_of(key, value):
    return {key: value}


def merged(*parts):
    statement = {key: value for part in parts for key, value in part.items()}
    if statement["Effect"] == "Allow" and "NotPrincipal" in statement:
        del statement["NotPrincipal"]
    return statement


def policies():
    version = st.sampled_from(("2012-10-17", "2008-10-17"))
    documents = st.fixed_dictionaries({"Version": version, "Statement": st.lists(statements(), min_size=1, max_size=4)})
    return st.lists(documents, max_size=3)


def requests():
    principal = st.one_of(
        st.sampled_from(NAMES),
        st.fixed_dictionaries({}, optional={"User": st.sampled_from(NAMES), "Groups": some(GROUPS, 0),
                                            "Workload": st.sampled_from(NAMES), "Issuer": st.sampled_from(NAMES)}),
    )  # fmt: skip
    value = st.one_of(st.sampled_from(VALUES), some(VALUES, 0))
    return st.fixed_dictionaries(
        {
            "principal": principal,
            "action": st.sampled_from(ACTIONS),
            "resource": st.sampled_from(RESOURCES[:-1]),
            "context": st.dictionaries(st.sampled_from(("k:USER", "k:N", "K:list")), value),
        }
    )


def asked(documents, request):
    return answer(json.dumps({"policies": documents, "request": request}).encode())


@unhurried
@given(policies(), requests())
def test_the_compiled_evaluator_agrees_with_the_straightforward_one(documents, request):
    decision, deciding = reference_decision(
        documents, request["principal"], request["action"], request["resource"], request["context"]
    )
    order = [s for p, document in enumerate(documents) for s in range(len(document["Statement"])) if (p, s) in deciding]
    assert asked(documents, request) == {"decision": decision, "statements": order, "errors": []}


@unhurried
@given(policies(), requests(), statements(effects=("Deny",)))
def test_an_added_deny_never_widens(documents, request, statement):
    before = asked(documents, request)["decision"]
    after = asked([*documents, {"Version": "2012-10-17", "Statement": statement}], request)["decision"]
    assert ORDER[after] <= ORDER[before]


@unhurried
@given(policies(), requests(), statements(effects=("Allow",)))
def test_an_added_allow_never_narrows(documents, request, statement):
    before = asked(documents, request)["decision"]
    after = asked([*documents, {"Version": "2012-10-17", "Statement": statement}], request)["decision"]
    assert ORDER[after] >= ORDER[before]


@unhurried
@given(policies(), requests(), st.randoms(use_true_random=False))
def test_order_never_matters(documents, request, random):
    before = asked(documents, request)["decision"]
    shuffled = random.sample(documents, len(documents))
    shuffled = [one | {"Statement": random.sample(one["Statement"], len(one["Statement"]))} for one in shuffled]
    assert asked(shuffled, request)["decision"] == before


PATTERNS = st.text("ab*?/", max_size=12)


def template_of(pattern):
    return parse(pattern, variables=False, wildcards=True)


@unhurried
@given(PATTERNS, st.text("ab/", max_size=16))
def test_the_matcher_agrees_with_the_textbook_table(pattern, text):
    assert compile_glob(template_of(pattern))(text) is glob_by_table(pattern, text)


@unhurried
@given(PATTERNS, PATTERNS, st.text("ab/", max_size=8))
def test_what_is_covered_is_matched_by_what_covers_it(wide, narrow, text):
    if covers(template_of(wide), template_of(narrow)) and compile_glob(template_of(narrow))(text):
        assert compile_glob(template_of(wide))(text)


def taken_apart(text):
    try:
        return parse(text, variables=True, wildcards=True)
    except Refusal:
        return None


@unhurried
@given(st.text("ab*?${}, 'k:", max_size=24))
def test_any_text_is_either_a_template_or_refused(text):
    template = taken_apart(text)
    assert template is None or all(isinstance(piece, Wild | Variable) or piece for piece in template)
    assert template is not None or "${" in text


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=20,
)


def plain(node):
    match node.value:
        case Number():
            return int(Decimal(node.value))
        case list():
            return [plain(item) for item in node.value]
        case dict():
            return {key: plain(item) for key, item in node.value.items()}
        case _:
            return node.value


@unhurried
@given(JSON, st.sampled_from((None, 2)), st.booleans())
def test_the_scanner_reads_what_the_standard_library_writes(value, indent, ascii_only):
    assert plain(scan(json.dumps(value, indent=indent, ensure_ascii=ascii_only))) == value


@unhurried
@given(st.one_of(st.binary(max_size=60), st.text('{}[]",:\\u0123 tfn"policies"request', max_size=60).map(str.encode)))
def test_any_line_gets_an_answer(line):
    found = answer(line)
    assert found["decision"] == "invalid"
    assert found["errors"]


@unhurried
@given(policies(), requests(), JSON)
def test_a_policy_with_anything_in_it_gets_an_answer(documents, request, junk):
    found = asked([*documents, junk], request)
    assert found["decision"] in {*ORDER, "invalid"}


@pytest.mark.parametrize("key", ["principal", "action", "resource", "context"])
@unhurried
@given(request=requests(), junk=JSON)
def test_a_request_with_anything_in_it_gets_an_answer(key, request, junk):
    assert asked([], request | {key: junk})["decision"] in {"implicitDeny", "invalid"}


STEPS = ("a", "b", "*", "?", "ab/", "/", "held-out", "")
PREFIXES = ("", "a", "a/", "a/b", "ab/", "x/", "a/*", "home/ada/")
SUFFIXES = st.text("ab/*?x", min_size=1, max_size=6)
EVERYTHING = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
VARIABLES = ("", "${aws:UserName}", "${k:None}", "${k:None, 'a'}")


@st.composite
def gateway_statements(draw):
    """A statement of the gateway's own, about strings of few letters, so that patterns meet prefixes often."""
    parts = st.lists(st.sampled_from((*STEPS, *VARIABLES)), max_size=4).map("".join)
    patterns = draw(st.lists(parts.map(lambda text: text or "a"), min_size=1, max_size=2))
    principal = draw(st.sampled_from(("*", {"User": "ada"}, {"User": "bob"}, {"Group": "ml"})))
    effect = draw(st.sampled_from(("Allow", "Deny")))
    statement = {
        "Effect": effect,
        draw(st.sampled_from(("Principal", "NotPrincipal"))) if effect == "Deny" else "Principal": principal,
        draw(st.sampled_from(("Action", "NotAction"))): draw(
            st.sampled_from(("gateway:ReadFile", "*", "gateway:Move*"))
        ),
        draw(st.sampled_from(("Resource", "Resource", "NotResource"))): patterns,
    }
    if draw(st.booleans()):
        statement["Condition"] = {"StringEquals": {"aws:UserName": draw(st.sampled_from(("ada", "bob")))}}
    return statement


@unhurried
@given(
    st.lists(gateway_statements(), max_size=4).map(lambda more: [EVERYTHING, *more]),
    st.lists(gateway_statements(), max_size=1),
    st.sampled_from(PREFIXES),
    st.lists(SUFFIXES, min_size=1, max_size=12),
)
def test_what_is_decided_once_below_a_prefix_is_what_each_would_be(statements, narrowing, prefix, suffixes):
    policies = PolicySet([read_statements("p", statements)])
    session = tuple(json.dumps({"Version": "2012-10-17", "Statement": [unaddressed(one)]}) for one in narrowing)
    ada = Principal("people", "1", PrincipalKind.USER, "ada", frozenset({"ml"}), session_policies=session)

    def request(resource):
        return AccessRequest(ada, "gateway:ReadFile", resource, {"aws:UserName": "ada"})

    for suffix in suffixes:
        each = policies.decide(request(prefix + suffix))
        assert policies.denies(request(prefix + suffix)) == (each if each.outcome is Outcome.EXPLICIT_DENY else None)
    once = policies.decide_below(request(prefix))
    if once is None:
        return
    for suffix in suffixes:
        each = policies.decide(request(prefix + suffix))
        assert (each.outcome, each.statements, each.policy_digest) == (
            once.outcome,
            once.statements,
            once.policy_digest,
        )
        if once.allowed:
            assert each == once


def unaddressed(statement):
    """A statement as a token's narrowing has it: for whoever has the token."""
    return {key: value for key, value in statement.items() if not key.endswith("Principal")}


def read_statements(name, statements):
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    document, faults = read_document(text, name, Dialect.GATEWAY)
    assert document, faults
    return document
