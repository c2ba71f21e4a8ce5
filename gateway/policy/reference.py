"""The language read straightforwardly: every statement, every time, from the JSON as it stands.

It shares no code with the evaluator beside it and is meant to be read against AWS's pages, not to be fast. The
property tests hold the two together, and the bench compares them. It takes policies that the grammar accepts.
"""

import base64
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, TypeAlias

Json: TypeAlias = Any
Context: TypeAlias = Mapping[str, "str | Sequence[str]"]


class Unresolved(Exception):
    """A variable has no single value."""


def reference_decision(
    policies: Sequence[Json], principal: Json, action: str, resource: str, context: Context
) -> tuple[str, set[tuple[int, int]]]:
    """Return the decision, and the deciding statements as (policy, statement).

    >>> reference_decision([{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}], "ada", "a:B", "r", {})
    ('allow', {(0, 0)})
    """
    facts = {_without_case(key): [value] if isinstance(value, str) else list(value) for key, value in context.items()}
    matching = {"Allow": set[tuple[int, int]](), "Deny": set[tuple[int, int]]()}
    for p, policy in enumerate(policies):
        new = policy.get("Version") == "2012-10-17"
        for s, statement in enumerate(_list(policy["Statement"])):
            if _matches(statement, (principal, action, resource), facts, new=new):
                matching[statement["Effect"]].add((p, s))
    if matching["Deny"]:
        return "explicitDeny", matching["Deny"]
    return ("allow" if matching["Allow"] else "implicitDeny"), matching["Allow"]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _matches(statement: Json, asked: tuple[Json, str, str], facts: Json, *, new: bool) -> bool:
    principal, action, resource = asked
    return (
        _principal_matches(statement, principal)
        and _action_matches(statement, action)
        and _resource_matches(statement, resource, facts, new=new)
        and all(
            _holds(
                operator, [_text(value) for value in _list(values)], facts.get(_without_case(key), []), facts, new=new
            )
            for operator, block in statement.get("Condition", {}).items()
            for key, values in block.items()
        )
    )


def _principal_matches(statement: Json, principal: Json) -> bool:
    if "NotPrincipal" in statement:
        return not _is_one_of(principal, statement["NotPrincipal"])
    return "Principal" not in statement or _is_one_of(principal, statement["Principal"])


def _is_one_of(principal: Json, clause: Json) -> bool:
    if clause == "*" or "*" in _list(clause.get("AWS", [])):
        return True
    has = {"AWS": [principal]} if isinstance(principal, str) else {**principal, "Group": principal.get("Groups", [])}
    return any(
        own and ("*" in _list(names) or not set(own).isdisjoint(_list(names)))
        for kind, names in clause.items()
        for own in [_list(has.get(kind, []))]
    )


def _action_matches(statement: Json, action: str) -> bool:
    named = statement.get("Action", statement.get("NotAction"))
    hit = any(glob_by_table(_without_case(pattern), _without_case(action)) for pattern in _list(named))
    return hit != ("NotAction" in statement)


def _without_case(name: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in name)


def _resource_matches(statement: Json, resource: str, facts: Json, *, new: bool) -> bool:
    named = statement.get("Resource", statement.get("NotResource"))
    hit = any(_like(pattern, resource, facts, new=new) for pattern in _list(named))
    return hit != ("NotResource" in statement)


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _holds(operator: str, wanted: list[str], found: list[str], facts: Json, *, new: bool) -> bool:
    qualifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    if base == "Null":
        return ("true" if found in ([], [""]) else "false") in [value.lower() for value in wanted]
    negated = "Not" in base
    if not found:
        if name.endswith("IfExists") or qualifier == "ForAllValues":
            return True
        return negated and not qualifier
    if qualifier and found == [""]:
        return qualifier == "ForAllValues"
    compare = _COMPARE[base.replace("Not", "")]
    good = [any(compare(one, value, facts, new=new) for one in wanted) is not negated for value in found]
    every = qualifier == "ForAllValues" or (negated and not qualifier)
    return all(good) if every else any(good)


def glob_by_table(pattern: str, text: str) -> bool:
    """Match by the textbook's table: `row[j]` tells whether the pattern so far matches the first j characters."""
    row = [True] + [False] * len(text)
    for symbol in pattern:
        if symbol == "*":
            for j in range(1, len(row)):
                row[j] = row[j] or row[j - 1]
        else:
            row = [False] + [row[j] and symbol in ("?", text[j]) for j in range(len(text))]
    return row[-1]


_VARIABLE = re.compile(r"\$\{([*?$]|[^}',]+)(?:, *'([^']*)')?\}")
"""What the tests' variables look like; the evaluator's own grammar is stricter."""
_ESCAPED = {"*": "\ue000", "?": "\ue001"}
"""Stand-ins from Unicode's private use area for what is no wildcard."""


def _escape(text: str) -> str:
    return "".join(_ESCAPED.get(char, char) for char in text)


def _unresolved() -> str:
    raise Unresolved


def _substitute(text: str, facts: Json) -> str:
    def value_of(match: re.Match[str]) -> str:
        if match[1] in "*?$":
            return _escape(match[1])
        found = facts.get(_without_case(match[1].strip()), [])
        if found and found != [""]:
            return _escape(found[0]) if len(found) == 1 else _unresolved()
        return _unresolved() if match[2] is None else _escape(match[2])

    return _VARIABLE.sub(value_of, text)


def _like(pattern: str, text: str, facts: Json, *, new: bool) -> bool:
    try:
        return glob_by_table(_substitute(pattern, facts) if new else pattern, _escape(text))
    except Unresolved:
        return False


def _equals(pattern: str, text: str, facts: Json, *, new: bool) -> bool:
    try:
        return (_substitute(_escape_outside(pattern), facts) if new else _escape(pattern)) == _escape(text)
    except Unresolved:
        return False


def _escape_outside(pattern: str) -> str:
    """Escape the wildcards of a text that has none, but not inside its variables."""
    pieces = re.split(r"(\$\{[^}]*\})", pattern)
    return "".join(
        piece if odd else _escape(piece) for odd, piece in zip([False, True] * len(pieces), pieces, strict=False)
    )


def _same(read: Callable[[str], Any], holds: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """Compare what `read` makes of the two; what it cannot read equals nothing."""

    def compare(pattern: str, text: str, _facts: Json, *, new: bool) -> bool:
        del new
        try:
            return holds(read(text), read(pattern))
        except (ValueError, InvalidOperation):
            return False

    return compare


def _instant(text: str) -> Decimal:
    if re.fullmatch(r"-?\d+(\.\d+)?", text) and len(text) != len("2030"):
        return Decimal(text)
    day, _, time = text.partition("T")
    parts = (day + "-01-01")[:10]
    moment = datetime.fromisoformat(f"{parts}T{time or '00:00Z'}")
    return Decimal((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _address(text: str) -> IPv4Address | IPv6Address:
    found = ip_address(text)
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _bool(pattern: str, text: str, facts: Json, *, new: bool) -> bool:
    return _equals(pattern.lower(), text.lower(), _lower(facts), new=new)


def _binary(pattern: str, text: str, _facts: Json, *, new: bool) -> bool:
    del new
    return text == pattern or text.encode() == base64.b64decode(pattern)


def _arn(pattern: str, text: str, facts: Json, *, new: bool) -> bool:
    """Compare six fields. The tests' variables stand in the last one, as AWS wants it."""
    wanted, found = pattern.split(":", 5), text.split(":", 5)
    if found[0] != "arn" or len(found) < 6:  # noqa: PLR2004 - an ARN has six fields
        return False
    if pattern == "*":
        return True
    if len(wanted) < 6:  # noqa: PLR2004 - the same
        return False
    return all(_like(one, other, facts, new=new) for one, other in zip(wanted, found, strict=True))


_COMPARE: Mapping[str, Callable[..., bool]] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": lambda a, b, facts, new: _equals(a.lower(), b.lower(), _lower(facts), new=new),
    "StringLike": _like,
    "Bool": _bool,
    "BinaryEquals": _binary,
    "IpAddress": _same(str, lambda text, pattern: _address(text) in ip_network(pattern, strict=False)),
    "ArnEquals": _arn,
    "ArnLike": _arn,
    **{
        f"{family}{name}": _same(read, holds)
        for family, read in (("Numeric", Decimal), ("Date", _instant))
        for name, holds in (
            ("Equals", operator.eq),
            ("LessThan", operator.lt),
            ("LessThanEquals", operator.le),
            ("GreaterThan", operator.gt),
            ("GreaterThanEquals", operator.ge),
        )
    },
}


def _lower(facts: Json) -> Json:
    return {key: [value.lower() for value in found] for key, found in facts.items()}
