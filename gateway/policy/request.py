"""A request as people write it down, in JSON: for `evaluate`, and for the cases beside a policy."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gateway.policy.findings import Refusal
from gateway.policy.principals import AWS_KINDS
from gateway.policy.query import ANYONE, Query
from gateway.policy.scanner import Node, Number
from gateway.policy.suggest import did_you_mean
from gateway.policy.template import fold

Values: TypeAlias = dict[str, str | tuple[str, ...]]

_REQUEST = ("principal", "action", "resource", "context")
_GROUPS = "Groups"
_NAMED = ("User", "Workload", "Issuer", *sorted(AWS_KINDS))


def read_request(node: Node) -> Query:
    """Read `{"principal": …, "action": …, "resource": …, "context": {…}}`; only the two in the middle must be there.

    Raises:
        Refusal: it is of another form.
    """
    members = members_of(node, "The request", _REQUEST, required=("action", "resource"))
    return Query(
        _principals(members.get("principal")),
        text_of(members["action"], "'action'"),
        text_of(members["resource"], "'resource'"),
        _context(members.get("context")),
    )


def text_of(node: Node, what: str) -> str:
    """Return the text of a string that is not empty."""
    if not isinstance(node.value, str) or isinstance(node.value, Number) or not node.value:
        raise Refusal(node.offset, f"{what} is a string, and not empty.")
    return node.value


def _principals(node: Node | None) -> list[str]:
    """Return what the caller answers to; without a principal, what everybody does."""
    if node is None or node.value is None:
        return [ANYONE]
    if isinstance(node.value, str):
        return [ANYONE, "AWS:" + text_of(node, "'principal'")]
    words = [ANYONE]
    for kind, member in members_of(node, "The principal", (*_NAMED, _GROUPS), required=()).items():
        if kind == _GROUPS:
            groups = [text_of(item, "A group") for item in _items(member)]
            words += ["Group:*", *(f"Group:{group}" for group in groups)] if groups else []
        else:
            words += [f"{kind}:*", f"{kind}:{text_of(member, kind)}"]
    return words


def _items(node: Node) -> list[Node]:
    return node.value if isinstance(node.value, list) else [node]


def _context(node: Node | None) -> Values:
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        raise Refusal(node.offset, "'context' is a JSON object.")
    found: Values = {}
    seen: set[str] = set()
    for key, member in node.value.items():
        if fold(key) in seen:
            raise Refusal(member.label, f"The key {key[:80]!r} comes twice: keys compare without case.")
        seen.add(fold(key))
        found[key] = tuple(_value(item) for item in _items(member))
    return found


def _value(node: Node) -> str:
    if not isinstance(node.value, str) or isinstance(node.value, Number):
        raise Refusal(node.offset, "A context value is a string or a list of strings.")
    return node.value


def members_of(node: Node, what: str, known: Sequence[str], *, required: Sequence[str]) -> Mapping[str, Node]:
    """Return an object's members, none of them unknown and none missing."""
    if not isinstance(node.value, dict):
        raise Refusal(node.offset, f"{what} is a JSON object.")
    for key, member in node.value.items():
        if key not in known:
            raise Refusal(member.label, f"{what} has no element {key[:80]!r}.", did_you_mean(key, known))
    for key in required:
        if key not in node.value:
            raise Refusal(node.offset, f"{what} has no {key!r}.", "Add it.")
    return node.value
