"""The elements of a statement that say what it is about: Action, Resource and Condition."""

import re
from collections.abc import Mapping

from gateway.policy.conditions import Condition, compile_condition, parse_operator
from gateway.policy.document import Pattern
from gateway.policy.findings import Refusal
from gateway.policy.operators import Wanted
from gateway.policy.pattern import compile_pattern
from gateway.policy.scanner import Node, Text, is_text
from gateway.policy.template import Template, Variable, fold, parse

MAX_VALUES = 1000

_ACTION = re.compile(r"\*|[A-Za-z0-9_.*?-]+:[A-Za-z0-9_.*?-]+")


def values_of(members: Mapping[str, Node], node: Node, element: str) -> tuple[list[Text], bool]:
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
        if not is_text(item):
            raise Refusal(item.offset, f"{what} is a string or a list of strings.")
    return [Text(str(item.value), item.offset) for item in items]


def action(text: Text) -> Text:
    """Return the text if it is an action, or a pattern of some."""
    if not _ACTION.fullmatch(text.value):
        # Only ASCII: a look-alike letter would make a statement that never matches.
        raise Refusal(
            text.offset,
            f"{text.value[:80]!r} is no action: that is a service, a colon and a name.",
            "Write it like gateway:ReadFile, gateway:* or *. Variables do not work here.",
        )
    return text


def resource(text: Text, *, variables: bool) -> Pattern:
    """Compile a resource's pattern."""
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


def conditions(node: Node | None, *, variables: bool) -> tuple[Condition, ...]:
    """Compile a Condition: one for each key under each operator."""
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
            found.append(compile_condition(operator, Text(key, member.label), Wanted(_values(member), variables)))
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
