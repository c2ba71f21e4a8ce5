"""One condition: an operator, a key and values, compiled to a test of a request.

The rules for keys that are missing are AWS's ("Condition operators", "Set operators for multivalued context keys"):
without a qualifier a missing key fails, and holds where the operator is negated or ends in IfExists;
`ForAllValues:` holds on nothing, `ForAnyValue:` does not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeAlias

from gateway.policy.findings import Refusal
from gateway.policy.operators import NULL, OPERATORS, Wanted
from gateway.policy.pattern import Test
from gateway.policy.query import Query
from gateway.policy.scanner import Text
from gateway.policy.template import fold

ConditionTest: TypeAlias = Callable[[Query], bool]

_IF_EXISTS = "IfExists"
_NOTHING = ((), ("",))
"""A missing key, and what AWS calls a null data set, such as an empty string."""


class Qualifier(StrEnum):
    """How the many values of a key are put together."""

    NONE = ""
    FOR_ALL = "ForAllValues"
    FOR_ANY = "ForAnyValue"


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator's name, taken apart."""

    qualifier: Qualifier
    base: str
    if_exists: bool

    @property
    def negated(self) -> bool:
        """Whether it holds on what does not match."""
        return OPERATORS[self.base][1]

    def __str__(self) -> str:
        prefix = f"{self.qualifier}:" if self.qualifier else ""
        return f"{prefix}{self.base}{_IF_EXISTS if self.if_exists else ''}"


@dataclass(frozen=True, slots=True)
class Condition:
    """All that stands for one key under one operator."""

    operator: Operator
    key: Text
    values: tuple[Text, ...]
    variables: bool
    """Whether the values may hold variables."""
    test: ConditionTest = field(repr=False, compare=False)

    @property
    def folded(self) -> str:
        """The key as it compares."""
        return fold(self.key.value)


def parse_operator(name: Text) -> Operator:
    """Take an operator's name apart.

    >>> str(parse_operator(Text("ForAnyValue:StringLikeIfExists", 0)))
    'ForAnyValue:StringLikeIfExists'

    Raises:
        Refusal: there is no such operator.
    """
    prefix, colon, rest = name.value.rpartition(":")
    base = rest.removesuffix(_IF_EXISTS)
    if base not in OPERATORS or prefix not in set(Qualifier) or (colon and not prefix):
        raise Refusal(name.offset, f"There is no condition operator {name.value[:80]!r}.", _suggest(name.value))
    if base == NULL and rest != NULL:
        raise Refusal(name.offset, "Null takes no IfExists: it asks whether the key exists.", "Write Null.")
    if base == NULL and prefix:
        raise Refusal(name.offset, f"Null takes no {prefix}: it asks about the key, not its values.", "Write Null.")
    return Operator(Qualifier(prefix), base, rest != base)


def _suggest(name: str) -> str:
    prefixes = ("", "ForAllValues:", "ForAnyValue:")
    names = [prefix + base + suffix for prefix in prefixes for base in OPERATORS for suffix in ("", _IF_EXISTS)]
    by_case = {known.lower(): known for known in names}
    close = get_close_matches(name.lower()[:80], by_case, n=1)
    return f"Did you mean {by_case[close[0]]}?" if close else ""


def compile_condition(operator: Operator, key: Text, wanted: Wanted) -> Condition:
    """Compile the values, once.

    Raises:
        Refusal: a value is not of the operator's type.
    """
    comparison, _ = OPERATORS[operator.base]
    match, folded = comparison(wanted), fold(key.value)
    if operator.base == NULL:
        test = _null(match, folded)
    elif operator.qualifier:
        test = _qualified(match, folded, operator)
    else:
        test = _plain(match, folded, operator)
    takes_variables = wanted.variables and operator.base.startswith(("String", "Arn", "Bool"))
    return Condition(operator, key, tuple(wanted.texts), takes_variables, test)


def _null(match: Test, key: str) -> ConditionTest:
    """Ask whether the key is missing; the comparison is told so in words."""
    return lambda query: match("true" if query.values(key) in _NOTHING else "false", query)


def _plain(match: Test, key: str, operator: Operator) -> ConditionTest:
    """Ask for a key of one value. Of many, one must match, or where it is negated none may."""
    negated, missing = operator.negated, operator.negated or operator.if_exists

    def test(query: Query) -> bool:
        found = query.values(key)
        return any(match(value, query) for value in found) is not negated if found else missing

    return test


def _qualified(match: Test, key: str, operator: Operator) -> ConditionTest:
    """Ask for a key of many values, each on its own; negation is about each as well."""
    negated, for_all, if_exists = operator.negated, operator.qualifier is Qualifier.FOR_ALL, operator.if_exists
    quantify = all if for_all else any

    def test(query: Query) -> bool:
        found = query.values(key)
        if found in _NOTHING:
            return for_all or (if_exists and not found)
        return quantify(match(value, query) is not negated for value in found)

    return test
