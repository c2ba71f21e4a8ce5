"""What is legal in a statement and yet wrong, one function a kind of mistake."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias
from unicodedata import is_normalized

from gateway.policy import vocabulary
from gateway.policy.conditions import Condition, Qualifier
from gateway.policy.document import Document, Effect, Statement, Version
from gateway.policy.glob import compile_glob
from gateway.policy.operators import ARN_FIELDS, NULL, Text
from gateway.policy.query import ANYONE
from gateway.policy.scanner import Node
from gateway.policy.suggest import did_you_mean
from gateway.policy.template import Template, Variable, Wild, fold, literal, parse
from gateway.policy.values import network


@dataclass(frozen=True, slots=True)
class Note:
    """A warning at an offset."""

    offset: int
    code: str
    message: str
    suggestion: str


Notes: TypeAlias = Iterator[Note]

RULES = {
    "allow-everyone": "An Allow for every principal without a condition.",
    "allow-not-action": "An Allow on NotAction, which grows with each new action.",
    "allow-not-resource": "An Allow on NotResource, which grows with each new resource.",
    "crosses-namespaces": "A wildcard in or before the namespace, on an action that reads or writes data.",
    "empty-condition": "A Condition that asks nothing.",
    "for-all-values-missing": "An Allow with ForAllValues, which holds when the key is missing.",
    "look-alike": "Letters that are not what they seem.",
    "never-matches": "A statement that no request can match.",
    "old-version": "Variables in a version of the language that does not know them.",
    "range-bits": "An address range with bits set that the mask ignores.",
    "secret": "What looks like a secret.",
    "set-operator": "A set qualifier where there is one value, or none where there are many.",
    "shadowed": "A statement that another one makes useless.",
    "unknown-action": "An action that the gateway does not have.",
    "unknown-key": "A condition key that requests to the gateway never have.",
    "unresolved-deny": "A Deny that does not hold while one of its variables has no value.",
    "wildcard-literal": "A wildcard under an operator that takes it literally.",
}
"""Each warning's code, and what it is about."""


def matching_actions(statement: Statement) -> frozenset[str]:
    """Return which of the gateway's actions, folded, the statement is about."""
    found = frozenset(action for text in statement.actions for action in _actions_of(text))
    return frozenset(map(fold, vocabulary.ACTIONS)) - found if statement.not_actions else found


def _actions_of(text: Text) -> list[str]:
    match = compile_glob(parse(fold(text.value), variables=False, wildcards=True))
    return [fold(action) for action in vocabulary.ACTIONS if match(fold(action))]


def unknown_actions(statement: Statement) -> Notes:
    """An action that the gateway does not have."""
    for text in statement.actions:
        if not _actions_of(text):
            close = did_you_mean(text.value, vocabulary.ACTIONS)
            yield Note(text.offset, "unknown-action", f"The gateway has no action {text.value[:80]!r}.", close)


def unknown_keys(statement: Statement) -> Notes:
    """A condition key, or a variable, that no request has."""
    keys = [(condition.folded, condition.key.value, condition.key.offset) for condition in statement.conditions]
    keys += [(key, key, offset) for key, _, offset in _variables(statement)]
    for folded, written, offset in keys:
        if not vocabulary.is_key(folded):
            close = did_you_mean(written, (*vocabulary.KEYS, *vocabulary.KEY_FAMILIES))
            yield Note(offset, "unknown-key", f"Requests have no key {written[:80]!r}.", close)


def _variables(statement: Statement) -> Iterator[tuple[str, str | None, int]]:
    """Yield key, default and place of each variable."""
    for pattern in statement.resources:
        yield from _variables_of(pattern.template, pattern.text.offset)
    for condition in statement.conditions:
        if condition.variables:
            for text in condition.values:
                yield from _variables_of(parse(text.value, variables=True, wildcards=True), text.offset)


def _variables_of(template: Template, offset: int) -> Iterator[tuple[str, str | None, int]]:
    yield from ((piece.key, piece.default, offset) for piece in template if isinstance(piece, Variable))


def unresolved_denies(statement: Statement) -> Notes:
    """A Deny whose variable may have no value, so that it does not hold."""
    if statement.effect is Effect.DENY:
        for key, default, offset in _variables(statement):
            if default is None:
                yield Note(
                    offset,
                    "unresolved-deny",
                    f"Where a request has no {key!r}, this Deny does not hold.",
                    f"Give it a default: ${{{key}, 'nobody'}}.",
                )


def too_wide(statement: Statement) -> Notes:
    """An Allow that lets in more than it seems to."""
    if statement.effect is Effect.DENY:
        return
    clause = statement.principal
    if clause and ANYONE in clause.words and not statement.conditions:
        hint = 'Name a Group, write {"Issuer": "*"} for everyone whom an issuer vouches for, or add a Condition.'
        yield Note(clause.offset, "allow-everyone", "This lets every principal in, without a condition.", hint)
    if statement.not_actions:
        hint = "Name the actions: Action."
        yield Note(statement.actions[0].offset, "allow-not-action", "This allows every action that is to come.", hint)
    if statement.not_resources:
        where = statement.resources[0].text.offset
        hint = "Name the resources: Resource."
        yield Note(where, "allow-not-resource", "This allows every resource that is to come.", hint)


_EVERYTHING = frozenset({"*", "dataset/*", "model/*"})


def crossing_namespaces(statement: Statement) -> Notes:
    """A wildcard that reaches over more than one namespace, on data. Under a condition, plain 'everything' is fine."""
    if statement.effect is Effect.DENY or statement.not_resources:
        return
    if matching_actions(statement) & vocabulary.DATA_ACTIONS:
        for pattern in statement.resources:
            meant = statement.conditions and pattern.text.value in _EVERYTHING
            head = literal(pattern.template)
            if head.startswith(vocabulary.AUDIT_ROOT):
                continue
            if not meant and Wild.STAR in pattern.template[:2] and head.count("/") < 2:  # noqa: PLR2004 - kind/namespace/
                text = f"{pattern.text.value[:80]!r} crosses namespaces: '*' matches '/' as well."
                yield Note(pattern.text.offset, "crosses-namespaces", text, "Write out kind and namespace.")


def never_matching(statement: Statement) -> Notes:
    """A statement that nothing can match."""
    clause = statement.principal
    if clause and clause.negated and ANYONE in clause.words:
        yield Note(clause.offset, "never-matches", 'NotPrincipal "*" is for nobody.', "Name whom it spares.")
    if not statement.not_resources:
        yield from _foreign_resources(statement)
    present = {
        condition.folded
        for condition in statement.conditions
        if condition.operator.base != NULL and not _holds_when_missing(condition)
    }
    for condition in statement.conditions:
        if condition.operator.base == NULL and condition.folded in present:
            if all(text.value.lower() == "true" for text in condition.values):
                message = f"{condition.key.value!r} is asked to be missing, and to have a value."
                yield Note(condition.key.offset, "never-matches", message, "Remove one of the two conditions.")
        elif condition.operator.base.startswith("Arn"):
            yield from _short_arns(condition)


def _holds_when_missing(condition: Condition) -> bool:
    operator = condition.operator
    return operator.if_exists or operator.negated or operator.qualifier is Qualifier.FOR_ALL


def _foreign_resources(statement: Statement) -> Notes:
    actions = matching_actions(statement)
    roots = [vocabulary.AUDIT_ROOT] if actions & vocabulary.AUDIT_ACTIONS else []
    roots += vocabulary.DATA_ROOTS if actions - vocabulary.AUDIT_ACTIONS or not actions else []
    for pattern in statement.resources:
        head = literal(pattern.template)
        open_end = pattern.template != (head,)
        if not any(head.startswith(root) or (open_end and root.startswith(head)) for root in roots):
            message = f"{pattern.text.value[:80]!r} is no resource of these actions."
            hint = f"Theirs start with {' or '.join(roots)}."
            yield Note(pattern.text.offset, "never-matches", message, hint)


def _short_arns(condition: Condition) -> Notes:
    for text in condition.values:
        if text.value != ANYONE and text.value.count(":") < ARN_FIELDS - 1:
            message = f"{text.value[:80]!r} has fewer than six fields, so that no ARN is like it."
            yield Note(text.offset, "never-matches", message, "Write arn:partition:service:region:account:resource.")


def doubtful_conditions(statement: Statement) -> Notes:
    """A condition that does not ask what it seems to."""
    for condition in statement.conditions:
        yield from _literal_wildcards(condition)
        yield from _set_operators(condition, statement.effect)
        yield from _range_bits(condition)


_EXACT = frozenset({"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"})


def _literal_wildcards(condition: Condition) -> Notes:
    if condition.operator.base in _EXACT:
        for text in condition.values:
            bare = text.value.replace("${*}", "").replace("${?}", "")
            if "*" in bare or "?" in bare:
                message = f"Under {condition.operator.base}, '*' and '?' stand for themselves."
                yield Note(text.offset, "wildcard-literal", message, "Write StringLike, or ${*} if you mean it.")


def _set_operators(condition: Condition, effect: Effect) -> Notes:
    qualifier, where, key = condition.operator.qualifier, condition.key.offset, condition.key.value
    if qualifier and vocabulary.is_single(condition.folded):
        yield Note(where, "set-operator", f"{key!r} has at most one value.", f"Write it without {qualifier}.")
    elif qualifier is Qualifier.FOR_ALL and effect is Effect.ALLOW and not condition.operator.negated:
        hint = f'Add "Null": {{"{key}": "false"}} to the Condition.'
        yield Note(where, "for-all-values-missing", f"This holds as well when {key!r} is missing.", hint)
    elif not qualifier and condition.operator.base != NULL and vocabulary.is_multiple(condition.folded):
        yield Note(where, "set-operator", f"{key!r} can have many values.", "Write ForAnyValue: or ForAllValues:.")


def _range_bits(condition: Condition) -> Notes:
    if condition.operator.base.endswith("IpAddress"):
        for text in condition.values:
            found = network(text.value)
            if found and not found.exact:
                message = f"{text.value!r} has bits set behind its mask; they are ignored."
                yield Note(text.offset, "range-bits", message, "Write the range's first address.")


def empty_conditions(document: Document) -> Notes:
    """A Condition without a key."""
    for statement, node in zip(document.statements, _statement_nodes(document), strict=True):
        condition = node.value["Condition"] if isinstance(node.value, dict) and "Condition" in node.value else None
        if condition and isinstance(condition.value, dict):
            blocks = list(condition.value.values())
            if not blocks or any(block.value == {} for block in blocks):
                message = f"A Condition of {statement.name} asks nothing, so that it always holds."
                yield Note(condition.offset, "empty-condition", message, "Remove it, or say what it shall ask.")


def _statement_nodes(document: Document) -> list[Node]:
    found = document.node.value["Statement"] if isinstance(document.node.value, dict) else document.node
    return found.value if isinstance(found.value, list) else [found]


def old_version(document: Document) -> Notes:
    """Variables where they are plain text."""
    if document.version is Version.OLD:
        for text in _strings(document.node):
            if "${" in text.value:
                hint = 'Write "Version": "2012-10-17".'
                yield Note(text.offset, "old-version", "In this version '${' starts no variable.", hint)


_SECRETS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Vault token": re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}|\bs\.[A-Za-z0-9]{24}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{22,}"),
    "a JSON Web Token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\."),
    "a password in a URL": re.compile(r"://[^/\s:@]+:[^/\s:@$]+@"),
}


def secrets(document: Document) -> Notes:
    """What looks like a secret. The message does not repeat it."""
    for text in _strings(document.node):
        for what, pattern in _SECRETS.items():
            if pattern.search(text.value):
                hint = "Remove it here and in the history, and replace it where it is used."
                yield Note(text.offset, "secret", f"This looks like {what}.", hint)


def look_alikes(document: Document) -> Notes:
    """Text that compares otherwise than it reads: not in normal form C, or Latin mixed with its look-alikes."""
    for text in _strings(document.node):
        if not is_normalized("NFC", text.value):
            hint = "Save it in Unicode's normal form C; names of files and groups are in it."
            yield Note(text.offset, "look-alike", "This is not in Unicode's normal form C.", hint)
        elif _MIXED.search(text.value):
            hint = "Type the word anew."
            yield Note(text.offset, "look-alike", "This mixes Latin letters with look-alikes of other scripts.", hint)


_MIXED = re.compile(
    r"[A-Za-z][\u0370-\u03ff\u0400-\u052f\u2100-\u214f\uff00-\uffef]"
    r"|[\u0370-\u03ff\u0400-\u052f\u2100-\u214f\uff00-\uffef][A-Za-z]|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""A Latin letter beside a Greek, Cyrillic, letter-like or full-width one; what is invisible."""


def _strings(node: Node) -> Iterator[Text]:
    match node.value:
        case str():
            yield Text(node.value, node.offset)
        case list():
            for item in node.value:
                yield from _strings(item)
        case dict():
            for key, member in node.value.items():
                yield Text(key, member.label)
                yield from _strings(member)


DOCUMENT_CHECKS: tuple[Callable[[Document], Notes], ...] = (empty_conditions, look_alikes, old_version, secrets)
STATEMENT_CHECKS: tuple[Callable[[Statement], Notes], ...] = (
    crossing_namespaces, doubtful_conditions, never_matching, too_wide, unknown_actions, unknown_keys,
    unresolved_denies,
)  # fmt: skip
