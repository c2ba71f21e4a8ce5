"""Input made to hurt: too large, too deep, exploding, or pretending."""

import json
import time

import pytest

from gateway.policy.document import Dialect
from gateway.policy.evaluate import MAX_LINE, answer, answers
from gateway.policy.findings import Refusal
from gateway.policy.glob import compile_glob
from gateway.policy.lint import lint_bytes
from gateway.policy.scanner import MAX_BYTES, MAX_DEPTH, scan
from gateway.policy.template import parse

ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}
REQUEST = {"principal": "ada", "action": "a:B", "resource": "r"}


def codes(text):
    return [finding.code for finding in lint_bytes(text, "-", Dialect.GENERIC)]


def test_a_policy_of_more_than_64_kib_is_refused_before_it_is_read():
    exact = json.dumps({"Statement": ALLOW}).ljust(MAX_BYTES)
    assert codes(exact.encode()) == []
    assert codes(exact.encode() + b" ") == ["unreadable"]
    assert codes(b"{" * 10 * MAX_BYTES) == ["unreadable"]


def test_bytes_are_counted_and_not_letters():
    with pytest.raises(Refusal, match="longer than"):
        scan(json.dumps("é" * (MAX_BYTES // 2), ensure_ascii=False))


def test_a_policy_that_is_no_utf8_is_refused():
    assert codes(b'{"Id": "\xff"}') == ["unreadable"]


def test_depth_is_limited():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert scan(deepest).value
    with pytest.raises(Refusal, match="deep"):
        scan("[" + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "]")
    assert codes(b"[" * 60_000) == ["too-large"]


def test_counts_are_limited():
    with pytest.raises(Refusal, match="values"):
        scan("[" + "1," * 60_000 + "1]", max_bytes=1 << 20)
    assert codes(json.dumps({"Statement": [{}] * 501}).encode()) == ["too-large"]
    assert codes(json.dumps({"Statement": ALLOW | {"Action": ["a:b"] * 1001}}).encode()) == ["too-large"]
    condition = {"StringEquals": {"a:k": ["v"] * 1001}}
    assert codes(json.dumps({"Statement": ALLOW | {"Condition": condition}}).encode()) == ["too-large"]


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 500 + "*b",
        "*?a" * 300 + "*b",
        "*a?a?a?a" * 100 + "*b",
        "?*" * 500 + "b",
        "*" * 2000 + "b",
        "a?" * 500 + "*" + "?a" * 400 + "b",
    ],
)
def test_wildcards_do_not_explode(pattern):
    match = compile_glob(parse(pattern, variables=False, wildcards=True))
    started = time.process_time()
    assert not match("a" * 20_000)
    assert time.process_time() - started < 1


def test_unicode_that_looks_like_a_name_is_none():
    policy = {"Statement": ALLOW | {"Action": "s3:GetObject", "Resource": "caf\u00e9"}}
    for request in (
        REQUEST | {"action": "s3:Get\u041ebject", "resource": "caf\u00e9"},
        REQUEST | {"action": "\uff53\uff13:GetObject", "resource": "caf\u00e9"},
        REQUEST | {"action": "s3:GetObject", "resource": "cafe\u0301"},
    ):
        line = json.dumps({"policies": [policy], "request": request}).encode()
        assert answer(line)["decision"] == "implicitDeny"


def test_keys_fold_the_latin_letters_and_no_others():
    policy = {"Statement": ALLOW | {"Condition": {"StringEquals": {"a:k": "v"}}}}
    line = json.dumps({"policies": [policy], "request": REQUEST | {"context": {"a:\u212a": "v"}}}).encode()
    assert answer(line)["decision"] == "implicitDeny"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"nonsense",
        b"\xff",
        b"[]",
        b"{}",
        b'{"policies": []}',
        b'{"policies": {}, "request": {"action": "a:B", "resource": "r"}}',
        b'{"policies": [], "request": {}}',
        b'{"policies": [], "request": []}',
        b'{"policies": [], "request": {"action": "a:B"}}',
        b'{"policies": [], "request": {"action": 1, "resource": "r"}}',
        b'{"policies": [], "request": {"action": "", "resource": "r"}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "ctx": {}}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "context": []}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "context": {"k": 1}}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "context": {"k": [true]}}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "context": {"k": "1", "K": "2"}}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "principal": 1}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "principal": ""}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "principal": {"Robot": "x"}}}',
        b'{"policies": [], "request": {"action": "a:B", "resource": "r", "principal": {"Groups": [1]}}}',
        b'{"policies": [], "policies": [], "request": {"action": "a:B", "resource": "r"}}',
        b'{"policies": [1], "request": {"action": "a:B", "resource": "r"}}',
    ],
)
def test_a_bad_line_is_invalid_and_says_why(line):
    found = answer(line)
    assert (found["decision"], found["statements"]) == ("invalid", [])
    assert found["errors"]


def test_a_line_that_is_too_long_is_skipped_and_the_next_answered(tmp_path):
    good = json.dumps({"policies": [], "request": REQUEST}).encode()
    lines = tmp_path / "lines"
    lines.write_bytes(b"x" * (2 * MAX_LINE + 5) + b"\n" + good + b"\n" + b"y" * (MAX_LINE + 1))
    with lines.open("rb") as file:
        found = [json.loads(line)["decision"] for line in answers(file)]
    assert found == ["invalid", "implicitDeny", "invalid"]


def test_each_policy_of_a_line_is_limited_as_a_file_is():
    large = {"Id": "x" * MAX_BYTES, "Statement": ALLOW}
    found = answer(json.dumps({"policies": [large], "request": REQUEST}).encode())
    assert "longer than" in found["errors"][0]


def test_every_fault_of_a_line_is_told():
    bad = ALLOW | {"Effect": "allow"}
    line = json.dumps({"policies": [{"Statement": [bad, ALLOW, bad]}, {"Statement": bad}], "request": REQUEST})
    assert len(answer(line.encode())["errors"]) == 3
