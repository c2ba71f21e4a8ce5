"""The grammar of the IAM policy language: reads a document strictly, statement by statement.

Source: IAM User Guide, "Grammar of the IAM JSON policy language" and the pages on each element. What the grammar does
not know is refused, since an element that is misspelt and ignored grants more, or denies less, than it says.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.policy.document import Dialect, Document, Effect, Statement, Version
from gateway.policy.elements import action, conditions, resource, values_of
from gateway.policy.findings import Finding, Refusal
from gateway.policy.principals import AWS_KINDS, GATEWAY_KINDS, PrincipalClause, parse_principal
from gateway.policy.scanner import Node, is_text, scan
from gateway.policy.suggest import did_you_mean

MAX_STATEMENTS = 500

_SID = re.compile(r"[A-Za-z0-9]*")
_DOCUMENT = ("Version", "Id", "Statement")
_STATEMENT = (
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heading:
    """What a statement takes from where it stands."""

    policy: str
    index: int
    version: Version
    dialect: Dialect


def read_document(text: str, name: str, dialect: Dialect, *, file: str = "") -> tuple[Document | None, list[Finding]]:
    """Read a policy from its text. Returns it, or none and what is wrong: the first fault of each statement.

    Findings name `file`, or the policy's name if there is none.

    >>> document, faults = read_document('{"Statement": {"Efect": "Allow"}}', "a.json", Dialect.GENERIC)
    >>> print(faults[0])
    a.json:1:16: error: A statement has no element 'Efect'. Did you mean Effect? [language]
    """
    faults: list[Refusal] = []
    try:
        document = read_node(scan(text), text, name, dialect, faults)
    except Refusal as refusal:
        faults.append(refusal)
    if faults:
        return None, [fault.finding(file or name, text) for fault in faults]
    return document, []


def read_node(node: Node, text: str, name: str, dialect: Dialect, faults: list[Refusal]) -> Document:
    """Read a policy that is scanned already, adding to `faults` what is wrong in its statements.

    Raises:
        Refusal: it cannot be read any further.
    """
    members = _members(node, "A policy", _DOCUMENT)
    version = _version(members.get("Version"))
    if (policy_id := members.get("Id")) and not is_text(policy_id):
        raise Refusal(policy_id.offset, "Id is a string.")
    statements: list[Statement] = []
    sids: set[str] = set()
    for index, item in enumerate(_statements(members, node)):
        try:
            statements.append(_statement(item, Heading(name, index, version, dialect), sids))
        except Refusal as refusal:
            faults.append(refusal)
    return Document(name, version, tuple(statements), text, node)


def _members(node: Node, what: str, known: tuple[str, ...]) -> Mapping[str, Node]:
    if not isinstance(node.value, dict):
        raise Refusal(node.offset, f"{what} is a JSON object.")
    for key, member in node.value.items():
        if key not in known:
            raise Refusal(member.label, f"{what} has no element {key[:80]!r}.", did_you_mean(key, known))
    return node.value


def _version(node: Node | None) -> Version:
    if node is None:
        return Version.OLD
    if not is_text(node) or node.value not in set(Version):
        raise Refusal(node.offset, "There is no such version of the policy language.", 'Write "2012-10-17".')
    return Version(str(node.value))


def _statements(members: Mapping[str, Node], node: Node) -> list[Node]:
    found = members.get("Statement")
    if found is None:
        raise Refusal(node.offset, "A policy has a Statement.", "Add it.")
    items = found.value if isinstance(found.value, list) else [found]
    if not items:
        raise Refusal(found.offset, "This policy has no statement.", "Add one, or remove the file.")
    if len(items) > MAX_STATEMENTS:
        raise Refusal(found.offset, f"There are more than {MAX_STATEMENTS} statements.", "Split it.", code="too-large")
    return items


def _statement(node: Node, heading: Heading, sids: set[str]) -> Statement:
    members = _members(node, "A statement", _STATEMENT)
    variables = heading.version is Version.NEW
    effect = _effect(members, node)
    principal = _principal(members, node, effect, heading.dialect)
    actions, not_actions = values_of(members, node, "Action")
    resources, not_resources = values_of(members, node, "Resource")
    sid = _sid(members.get("Sid"), sids)
    return Statement(
        heading.policy,
        heading.index,
        sid,
        f"{heading.policy}#{sid or heading.index}",
        effect,
        principal,
        tuple(action(text) for text in actions),
        not_actions,
        tuple(resource(text, variables=variables) for text in resources),
        not_resources,
        conditions(members.get("Condition"), variables=variables),
        node.offset,
    )


def _effect(members: Mapping[str, Node], node: Node) -> Effect:
    found = members.get("Effect")
    if found is None:
        raise Refusal(node.offset, "A statement has an Effect.", "Write Allow or Deny.")
    if not is_text(found) or found.value not in set(Effect):
        raise Refusal(found.offset, "An Effect is exactly Allow or Deny.", did_you_mean(str(found.value), list(Effect)))
    return Effect(str(found.value))


def _sid(node: Node | None, taken: set[str]) -> str:
    if node is None:
        return ""
    if not is_text(node) or not _SID.fullmatch(str(node.value)):
        raise Refusal(node.offset, "A Sid is letters and digits (A-Z, a-z, 0-9).", 'Write it like "ReadPublicData".')
    sid = str(node.value)
    if sid in taken:
        raise Refusal(node.offset, f"The Sid {sid!r} comes twice.", "A Sid names one statement.")
    taken |= {sid} - {""}
    return sid


def _principal(members: Mapping[str, Node], node: Node, effect: Effect, dialect: Dialect) -> PrincipalClause | None:
    found, excluded = members.get("Principal"), members.get("NotPrincipal")
    if found and excluded:
        raise Refusal(excluded.label, "Principal and NotPrincipal exclude each other.", "Keep one.")
    if dialect is Dialect.SESSION and (one := found or excluded):
        raise Refusal(one.label, "A token's narrowing names no principal: it is for its bearer.", "Remove it.")
    if excluded and effect is Effect.ALLOW:
        # It would let in everyone else, who are not known to anybody.
        raise Refusal(
            excluded.label,
            "NotPrincipal works with Deny only.",
            'Allow with "Principal", and add a statement that denies those whom it shall not hold for.',
        )
    kinds = GATEWAY_KINDS | (AWS_KINDS if dialect is Dialect.GENERIC else frozenset())
    if one := found or excluded:
        return parse_principal(one, negated=one is excluded, kinds=kinds)
    if dialect is Dialect.GATEWAY:
        raise Refusal(node.offset, "A statement says whom it is for.", 'Add "Principal": {"Group": "…"}.')
    return None
