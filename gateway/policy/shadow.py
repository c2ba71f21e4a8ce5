"""Finds statements that others make useless. Only what is certain is told: it compares patterns, not requests."""

from collections.abc import Iterator, Sequence

from gateway.policy.document import Document, Effect, Statement
from gateway.policy.glob import covers
from gateway.policy.notes import Note
from gateway.policy.query import ANYONE
from gateway.policy.template import Template, Wild, fold, parse


def shadowed(documents: Sequence[Document]) -> Iterator[tuple[str, Note]]:
    """Yield the policy and the note of each statement that an unconditional one covers whole."""
    statements = [statement for document in documents for statement in document.statements]
    wide = [statement for statement in statements if _is_plain(statement) and not statement.conditions]
    for position, statement in enumerate(statements):
        for other in wide:
            if other is not statement and _useless(statement, other) and _covers(other, statement):
                # Of two that cover each other, the later one is told.
                if other in statements[position:] and statement in wide and _covers(statement, other):
                    continue
                yield statement.policy, _note(statement, other)
                break


def _note(statement: Statement, other: Statement) -> Note:
    if statement.effect is other.effect:
        return Note(statement.offset, "shadowed", f"{other.name} says all of this already.", "Remove one of the two.")
    hint = "Narrow the Deny, or remove this statement."
    return Note(statement.offset, "shadowed", f"{other.name} denies all that this allows.", hint)


def _useless(statement: Statement, other: Statement) -> bool:
    return statement.effect is other.effect or other.effect is Effect.DENY


def _is_plain(statement: Statement) -> bool:
    negated = statement.principal is not None and statement.principal.negated
    return not (negated or statement.not_actions or statement.not_resources)


def _covers(wide: Statement, narrow: Statement) -> bool:
    everything: list[Template] = [(Wild.STAR,)]
    actions = everything if narrow.not_actions else _actions(narrow)
    resources = everything if narrow.not_resources else [pattern.template for pattern in narrow.resources]
    return (
        _same_people(narrow, wide)
        and _all_covered(actions, _actions(wide))
        and _all_covered(resources, [pattern.template for pattern in wide.resources])
    )


def _same_people(narrow: Statement, wide: Statement) -> bool:
    """Tell whether everyone whom `narrow` is for, `wide` is for as well."""
    if wide.principal is None or ANYONE in wide.principal.words:
        return True
    if narrow.principal is None or narrow.principal.negated:
        return False
    words = wide.principal.words
    return all(word in words or f"{word.partition(':')[0]}:*" in words for word in narrow.principal.words)


def _actions(statement: Statement) -> list[Template]:
    return [parse(fold(text.value), variables=False, wildcards=True) for text in statement.actions]


def _all_covered(narrow: Sequence[Template], wide: Sequence[Template]) -> bool:
    return all(any(covers(one, template) for one in wide) for template in narrow)
