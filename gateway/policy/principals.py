"""Who a statement is for, and what a caller answers to.

Both are sets of the same words, `<kind>:<name>`, so that matching is one set operation. Names match exactly;
`<kind>:*` is everyone who has that kind at all, `*` is everyone who is authenticated.
"""

from dataclasses import dataclass
from functools import lru_cache

from gateway.model import Principal, PrincipalKind
from gateway.policy.findings import Refusal
from gateway.policy.query import ANYONE
from gateway.policy.scanner import Node, Number, Text

GATEWAY_KINDS = frozenset({"User", "Group", "Workload", "Issuer"})
"""What the gateway knows of a caller."""
AWS_KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
"""AWS's own; they mean something in generic use only."""


@dataclass(frozen=True, slots=True)
class PrincipalClause:
    """A statement's Principal, or its NotPrincipal."""

    words: frozenset[str]
    negated: bool
    names: tuple[Text, ...]
    offset: int


@lru_cache(maxsize=1024)  # the same principal asks again and again
def answers_to(principal: Principal) -> tuple[str, ...]:
    """Return all the words that a verified principal answers to.

    >>> answers_to(Principal("people", "1", PrincipalKind.USER, "ada", frozenset({"ml"})))
    ('*', 'User:ada', 'User:*', 'Issuer:people', 'Issuer:*', 'Group:*', 'Group:ml')
    """
    kind = "User" if principal.kind is PrincipalKind.USER else "Workload"
    words = [ANYONE, f"{kind}:{principal.name}", f"{kind}:*", f"Issuer:{principal.issuer}", "Issuer:*"]
    if principal.groups:
        words.append("Group:*")
        words += ["Group:" + group for group in principal.groups]
    return tuple(words)


def parse_principal(node: Node, *, negated: bool, kinds: frozenset[str]) -> PrincipalClause:
    """Read a Principal or a NotPrincipal.

    Raises:
        Refusal: it is of none of the forms.
    """
    if node.value == ANYONE:
        return PrincipalClause(frozenset({ANYONE}), negated, (Text(ANYONE, node.offset),), node.label)
    if not isinstance(node.value, dict):
        raise Refusal(node.offset, 'A principal is "*" or an object.', 'Write {"Group": "…"}, or {"User": "…"}.')
    if not node.value:
        raise Refusal(node.offset, "This principal names nobody.", 'Write "*" for everyone.')
    words: set[str] = set()
    names: list[Text] = []
    for kind, member in node.value.items():
        if kind not in kinds:
            raise Refusal(
                member.label,
                f"There is no kind of principal {kind[:80]!r}.",
                f"Use one of {', '.join(sorted(kinds))}.",
            )
        found = [_name(item) for item in (member.value if isinstance(member.value, list) else [member])]
        if not found:
            raise Refusal(member.offset, f"This list of {kind} is empty.", "Name somebody.")
        names += found
        words |= {_word(kind, name.value) for name in found}
    return PrincipalClause(frozenset(words), negated, tuple(names), node.label)


def _word(kind: str, name: str) -> str:
    # "*" and {"AWS": "*"} are equivalent (IAM User Guide, "Principal").
    return ANYONE if (kind, name) == ("AWS", "*") else f"{kind}:{name}"


def _name(node: Node) -> Text:
    if not isinstance(node.value, str) or isinstance(node.value, Number) or not node.value:
        raise Refusal(node.offset, "A principal's name is a string.")
    if node.value != ANYONE and ("*" in node.value or "?" in node.value):
        raise Refusal(
            node.offset,
            f"{node.value[:80]!r}: a wildcard cannot match a part of a principal's name.",
            "Name a Group, or write '*' and a Condition.",
        )
    if "${" in node.value:
        raise Refusal(node.offset, "Variables do not work in principals.", "Write '*' and a Condition.")
    return Text(node.value, node.offset)
