"""The condition operators (IAM User Guide, "Condition operators"): what each compares, and how it reads its values.

An operator's comparison says whether one value of the request is among the values of the policy. `conditions` puts
these answers together: negation, `…IfExists`, and the set qualifiers.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from gateway.policy import values
from gateway.policy.findings import Refusal
from gateway.policy.pattern import Test, compile_pattern, has_variable, resolve
from gateway.policy.query import Query
from gateway.policy.scanner import Text
from gateway.policy.template import Template, parse


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values that a policy wants a key to have."""

    texts: Sequence[Text]
    variables: bool
    """Whether the policy's version knows variables."""


Comparison: TypeAlias = Callable[[Wanted], Test]


def any_of(tests: Sequence[Test]) -> Test:
    """Return whether one of the tests holds."""
    if len(tests) == 1:
        return tests[0]
    return lambda text, query: any(test(text, query) for test in tests)


def _templates(wanted: Wanted, *, wildcards: bool) -> list[Template]:
    return [
        parse(text.value, variables=wanted.variables, wildcards=wildcards, offset=text.offset) for text in wanted.texts
    ]


def _strings(normalise: Callable[[str], str]) -> Comparison:
    """Equal text, after `normalise`."""

    def compare(wanted: Wanted) -> Test:
        templates = _templates(wanted, wildcards=False)
        fixed = frozenset(normalise(_plain(template)) for template in templates if not has_variable(template))
        tests: list[Test] = [lambda text, _query: normalise(text) in fixed]
        return any_of(tests + [_equals(template, normalise) for template in templates if has_variable(template)])

    return compare


def _plain(template: Template) -> str:
    return "".join(str(piece) for piece in template)


def _equals(template: Template, normalise: Callable[[str], str]) -> Test:
    def test(text: str, query: Query) -> bool:
        resolved = resolve(template, query)
        return resolved is not None and normalise(_plain(resolved)) == normalise(text)

    return test


def _like(wanted: Wanted) -> Test:
    return any_of([compile_pattern(one) for one in _templates(wanted, wildcards=True)])


_NUMBER = "number"
_DATE = "time: write it like 2030-01-31T12:00:00Z, or in seconds since 1970"
_TRUTH = "truth value: true or false"

ARN_FIELDS = 6
"""arn:partition:service:region:account:resource; what follows the fifth colon is one field."""


def _arns(wanted: Wanted) -> Test:
    return any_of([_arn(text, variables=wanted.variables) for text in wanted.texts])


def _arn(text: Text, *, variables: bool) -> Test:
    """Compare field by field: no wildcard, and no variable's value, reaches across a colon of the first five."""
    if text.value == "*":
        return lambda value, _query: _fields(value) is not None
    template = parse(text.value, variables=variables, wildcards=True, offset=text.offset)
    fields = _split(template)
    if len(fields) != ARN_FIELDS:
        return lambda _value, _query: False
    tests = [compile_pattern(field) for field in fields]

    def test(value: str, query: Query) -> bool:
        parts = _fields(value)
        return parts is not None and all(one(part, query) for one, part in zip(tests, parts, strict=True))

    return test


def _fields(arn: str) -> list[str] | None:
    parts = arn.split(":", ARN_FIELDS - 1)
    return parts if len(parts) == ARN_FIELDS and parts[0] == "arn" else None


def _split(template: Template) -> list[Template]:
    """Cut at the first five literal colons."""
    fields: list[Template] = [()]
    for piece in template:
        if not isinstance(piece, str):
            fields[-1] += (piece,)
            continue
        first, *rest = piece.split(":", ARN_FIELDS - len(fields))
        fields[-1] += (first,) if first else ()
        fields += [(part,) if part else () for part in rest]
    return fields


def _typed(read: Callable[[str], Any], what: str, holds: Callable[[Any, Any], bool]) -> Comparison:
    """Compare values of a type, where `holds(the request's, the policy's)`."""

    def compare(wanted: Wanted) -> Test:
        limits = [_read(text, read, what) for text in wanted.texts]

        def test(text: str, _query: Query) -> bool:
            value = read(text)
            return value is not None and any(holds(value, one) for one in limits)

        return test

    return compare


def _read(text: Text, read: Callable[[str], Any], what: str) -> Any:  # noqa: ANN401 - any of the types that conditions have
    value = read(text.value)
    if value is None:
        hint = "Variables stand only in string, ARN and Bool conditions." if "${" in text.value else ""
        raise Refusal(text.offset, f"{text.value[:80]!r} is no {what}.", hint)
    return value


def _bools(wanted: Wanted) -> Test:
    if wanted.variables and any("${" in text.value for text in wanted.texts):
        return _strings(str.lower)(wanted)
    return _typed(values.truth, _TRUTH, operator.eq)(wanted)


def _bytes(text: str) -> tuple[bytes, bytes | None]:
    """A request's bytes come as text or in Base64."""
    return text.encode(), values.binary(text)


def _binaries(wanted: Wanted) -> Test:
    accepted = {_read(text, values.binary, "Base64") for text in wanted.texts}
    return lambda text, _query: not accepted.isdisjoint(_bytes(text))


def _addresses(wanted: Wanted) -> Test:
    networks = [_read(text, values.network, "IP address or CIDR range") for text in wanted.texts]

    def test(text: str, _query: Query) -> bool:
        address = values.address(text)
        return address is not None and any(address in one for one in networks)

    return test


def _absence(wanted: Wanted) -> Test:
    """Compare with whether the key is missing, which `conditions` puts in words."""
    accepted = {_read(text, values.truth, _TRUTH) for text in wanted.texts}
    return lambda text, _query: values.truth(text) in accepted


def _ordered(family: str, read: Callable[[str], Decimal | int | None], what: str) -> dict[str, tuple[Comparison, bool]]:
    return {
        f"{family}Equals": (_typed(read, what, operator.eq), False),
        f"{family}NotEquals": (_typed(read, what, operator.eq), True),
        f"{family}LessThan": (_typed(read, what, operator.lt), False),
        f"{family}LessThanEquals": (_typed(read, what, operator.le), False),
        f"{family}GreaterThan": (_typed(read, what, operator.gt), False),
        f"{family}GreaterThanEquals": (_typed(read, what, operator.ge), False),
    }


NULL = "Null"

OPERATORS: dict[str, tuple[Comparison, bool]] = {
    "StringEquals": (_strings(str), False),
    "StringNotEquals": (_strings(str), True),
    "StringEqualsIgnoreCase": (_strings(str.lower), False),
    "StringNotEqualsIgnoreCase": (_strings(str.lower), True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    **_ordered("Numeric", values.number, _NUMBER),
    **_ordered("Date", values.instant, _DATE),
    "Bool": (_bools, False),
    "BinaryEquals": (_binaries, False),
    "IpAddress": (_addresses, False),
    "NotIpAddress": (_addresses, True),
    # "ArnEquals and ArnLike behave identically."
    "ArnEquals": (_arns, False),
    "ArnLike": (_arns, False),
    "ArnNotEquals": (_arns, True),
    "ArnNotLike": (_arns, True),
    NULL: (_absence, False),
}
"""Each operator's comparison, and whether it is negated."""
