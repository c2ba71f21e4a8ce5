"""A policy document: the grammar of the IAM policy language, read strictly into frozen values.

Source: IAM User Guide, "Grammar of the IAM JSON policy language" and the pages on each element. What the grammar does
not know is refused, since an element that is misspelt and ignored grants more, or denies less, than it says.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from gateway.policy.conditions import Condition, compile_condition, parse_operator
from gateway.policy.findings import Finding, Refusal
from gateway.policy.operators import Text
from gateway.policy.pattern import Test, compile_pattern
from gateway.policy.principals import AWS_KINDS, GATEWAY_KINDS, PrincipalClause, parse_principal
from gateway.policy.scanner import Node, Number, scan
from gateway.policy.suggest import did_you_mean
from gateway.policy.template import Template, Variable, fold, parse

MAX_STATEMENTS = 500
MAX_VALUES = 1000

_ACTION = re.compile(r"\*|[A-Za-z0-9_.*?-]+:[A-Za-z0-9_.*?-]+")
_SID = re.compile(r"[A-Za-z0-9]*")
_DOCUMENT = ("Version", "Id", "Statement")
_STATEMENT = (
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip


class Effect(StrEnum):
    """What a statement does when it matches."""

    ALLOW = "Allow"
    DENY = "Deny"


class Version(StrEnum):
    """The versions of the language."""

    OLD = "2008-10-17"
    """Without variables. What a document without a Version is in."""
    NEW = "2012-10-17"


class Dialect(Enum):
    """Where a document stands, which decides about its principals."""

    GATEWAY = "a policy of the folder"
    """Every statement says whom it is for, in the gateway's own kinds."""
    SESSION = "a token's narrowing"
    """No statement does: it is for the token's bearer."""
    GENERIC = "any document"
    """Both are fine: without a principal it is an identity policy, and applies."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One Resource or NotResource."""

    text: Text
    template: Template
    test: Test


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement, all of whose parts must match. Equal to itself alone, so that sets of them are quick."""

    policy: str
    index: int
    sid: str
    name: str
    """How decisions name it: `<policy>#<Sid or index>`."""
    effect: Effect
    principal: PrincipalClause | None
    actions: tuple[Text, ...]
    not_actions: bool
    """Whether `actions` are those that it is not about."""
    resources: tuple[Pattern, ...]
    not_resources: bool
    conditions: tuple[Condition, ...]
    offset: int

    @property
    def label(self) -> str | int:
        """Its Sid, or its index from 0."""
        return self.sid or self.index


@dataclass(frozen=True, slots=True)
class Heading:
    """What a statement takes from where it stands."""

    policy: str
    index: int
    version: Version
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Document:
    """A policy."""

    name: str
    version: Version
    statements: tuple[Statement, ...]
    text: str
    node: Node


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
    if (policy_id := members.get("Id")) and not _is_text(policy_id):
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


def _is_text(node: Node) -> bool:
    return isinstance(node.value, str) and not isinstance(node.value, Number)


def _version(node: Node | None) -> Version:
    if node is None:
        return Version.OLD
    if not _is_text(node) or node.value not in set(Version):
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
    actions, not_actions = _either(members, node, "Action")
    resources, not_resources = _either(members, node, "Resource")
    sid = _sid(members.get("Sid"), sids)
    return Statement(
        heading.policy,
        heading.index,
        sid,
        f"{heading.policy}#{sid or heading.index}",
        effect,
        principal,
        tuple(_action(text) for text in actions),
        not_actions,
        tuple(_resource(text, variables=variables) for text in resources),
        not_resources,
        _conditions(members.get("Condition"), variables=variables),
        node.offset,
    )


def _effect(members: Mapping[str, Node], node: Node) -> Effect:
    found = members.get("Effect")
    if found is None:
        raise Refusal(node.offset, "A statement has an Effect.", "Write Allow or Deny.")
    if not _is_text(found) or found.value not in set(Effect):
        raise Refusal(found.offset, "An Effect is exactly Allow or Deny.", did_you_mean(str(found.value), list(Effect)))
    return Effect(str(found.value))


def _sid(node: Node | None, taken: set[str]) -> str:
    if node is None:
        return ""
    if not _is_text(node) or not _SID.fullmatch(str(node.value)):
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


def _either(members: Mapping[str, Node], node: Node, element: str) -> tuple[list[Text], bool]:
    """Return the values of `element`, or of its negation and True."""
    found, negation = members.get(element), members.get(f"Not{element}")
    if found and negation:
        raise Refusal(negation.label, f"{element} and Not{element} exclude each other.", "Keep one.")
    one = found or negation
    if one is None:
        raise Refusal(node.offset, f"A statement has {element} or Not{element}.", f'Add "{element}".')
    return _texts(one, f"Not{element}" if negation else element), one is negation


def _texts(node: Node, what: str) -> list[Text]:
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        raise Refusal(node.offset, f"{what} is an empty list.", "Name at least one.")
    if len(items) > MAX_VALUES:
        raise Refusal(node.offset, f"{what} has more than {MAX_VALUES} values.", "Split it.", code="too-large")
    for item in items:
        if not _is_text(item):
            raise Refusal(item.offset, f"{what} is a string or a list of strings.")
    return [Text(str(item.value), item.offset) for item in items]


def _action(text: Text) -> Text:
    if not _ACTION.fullmatch(text.value):
        # Only ASCII: a look-alike letter would make a statement that never matches.
        raise Refusal(
            text.offset,
            f"{text.value[:80]!r} is no action: that is a service, a colon and a name.",
            "Write it like gateway:ReadFile, gateway:* or *. Variables do not work here.",
        )
    return text


def _resource(text: Text, *, variables: bool) -> Pattern:
    if not text.value:
        raise Refusal(text.offset, "This resource is empty.", "Write '*' for every resource.")
    template = parse(text.value, variables=variables, wildcards=True, offset=text.offset)
    if _variable_in_arn_head(template):
        raise Refusal(
            text.offset,
            "In an ARN, variables stand only after the fifth colon.",
            "Write the service, region and account out, or '*'.",
        )
    return Pattern(text, template, compile_pattern(template))


def _variable_in_arn_head(template: Template) -> bool:
    colons = 0
    if not (template and isinstance(template[0], str) and template[0].startswith("arn:")):
        return False
    for piece in template:
        if isinstance(piece, Variable) and colons < 5:  # noqa: PLR2004 - arn:partition:service:region:account:
            return True
        colons += piece.count(":") if isinstance(piece, str) else 0
    return False


def _conditions(node: Node | None, *, variables: bool) -> tuple[Condition, ...]:
    if node is None:
        return ()
    found: list[Condition] = []
    for name, block in _object(node, "Condition").items():
        operator = parse_operator(Text(name, block.label))
        seen: set[str] = set()
        for key, member in _object(block, name).items():
            if not key or fold(key) in seen:
                # "Key names are not case-sensitive", so a second spelling is a second value in disguise.
                raise Refusal(member.label, f"The key {key[:80]!r} is empty or comes twice.", "Merge its values.")
            seen.add(fold(key))
            found.append(compile_condition(operator, Text(key, member.label), _values(member), variables=variables))
    return tuple(found)


def _object(node: Node, what: str) -> Mapping[str, Node]:
    if not isinstance(node.value, dict):
        raise Refusal(node.offset, f"{what[:80]} is a JSON object.", 'Write {"StringEquals": {"key": "value"}}.')
    return node.value


def _values(node: Node) -> list[Text]:
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        raise Refusal(node.offset, "This condition has no value.", 'To ask whether a key exists, use "Null".')
    if len(items) > MAX_VALUES:
        raise Refusal(node.offset, f"It has more than {MAX_VALUES} values.", "Split it.", code="too-large")
    return [_value(item) for item in items]


def _value(node: Node) -> Text:
    """Read a value. Numbers and Booleans may stand without quotation marks, as the grammar says."""
    match node.value:
        case bool():
            return Text(str(node.value).lower(), node.offset)
        case str():
            return Text(str(node.value), node.offset)
        case _:
            raise Refusal(node.offset, "A condition's value is a string, a number, a Boolean, or a list of these.")
