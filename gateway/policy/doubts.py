"""What is legal in a statement's conditions, and yet asks something else than it seems to."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from gateway.policy import values, vocabulary
from gateway.policy.conditions import Condition, Qualifier
from gateway.policy.document import Effect, Statement
from gateway.policy.notes import Note, Notes
from gateway.policy.operators import ARN_FIELDS, NULL
from gateway.policy.query import ANYONE
from gateway.policy.scanner import Text


def literal_wildcards(statement: Statement) -> Notes:
    """A wildcard under an operator that takes it literally."""
    for condition in statement.conditions:
        if _is_exact(condition):
            for text in condition.values:
                bare = text.value.replace("${*}", "").replace("${?}", "")
                if "*" in bare or "?" in bare:
                    message = f"Under {condition.operator.base}, '*' and '?' stand for themselves."
                    yield Note(text.offset, "wildcard-literal", message, "Write StringLike, or ${*} if you mean it.")


def set_operators(statement: Statement) -> Notes:
    """A set qualifier where there is one value, none where there are many, or one that a missing key satisfies."""
    for condition in statement.conditions:
        qualifier, where, key = condition.operator.qualifier, condition.key.offset, condition.key.value
        if qualifier and vocabulary.is_single(condition.folded):
            yield Note(where, "set-operator", f"{key!r} has at most one value.", f"Write it without {qualifier}.")
        elif qualifier is Qualifier.FOR_ALL and _grants_by_value(statement.effect, condition):
            hint = f'Add "Null": {{"{key}": "false"}} to the Condition.'
            yield Note(where, "for-all-values-missing", f"This holds as well when {key!r} is missing.", hint)
        elif not qualifier and condition.operator.base != NULL and vocabulary.is_multiple(condition.folded):
            yield Note(where, "set-operator", f"{key!r} can have many values.", "Write ForAnyValue: or ForAllValues:.")


def _grants_by_value(effect: Effect, condition: Condition) -> bool:
    return effect is Effect.ALLOW and not condition.operator.negated


def range_bits(statement: Statement) -> Notes:
    """An address range with bits set that the mask ignores."""
    for condition in statement.conditions:
        if condition.operator.base.endswith("IpAddress"):
            for text in condition.values:
                found = values.network(text.value)
                if found and not found.exact:
                    message = f"{text.value!r} has bits set behind its mask; they are ignored."
                    yield Note(text.offset, "range-bits", message, "Write the range's first address.")


def short_arns(statement: Statement) -> Notes:
    """An ARN that no ARN is like."""
    for condition in statement.conditions:
        if condition.operator.base.startswith("Arn"):
            for text in condition.values:
                if text.value != ANYONE and text.value.count(":") < ARN_FIELDS - 1:
                    message = f"{text.value[:80]!r} has fewer than six fields, so that no ARN is like it."
                    hint = "Write arn:partition:service:region:account:resource."
                    yield Note(text.offset, "never-matches", message, hint)


def outside_domains(statement: Statement) -> Notes:
    """A value that its key never has."""
    for condition in statement.conditions:
        domain = vocabulary.DOMAINS.get(condition.folded)
        if domain and _is_exact(condition):
            for text in condition.values:
                if text.value.lower() not in domain and "${" not in text.value:
                    message = f"{condition.key.value!r} is never {text.value[:80]!r}."
                    yield Note(text.offset, "never-matches", message, f"It is {' or '.join(sorted(domain))}.")


def contradictions(statement: Statement) -> Notes:
    """Two conditions that exclude each other."""
    for position, condition in enumerate(statement.conditions):
        for other in statement.conditions[:position]:
            if condition.folded == other.folded and (_missing_and_there(condition, other) or _apart(condition, other)):
                message = f"No {condition.key.value!r} meets both {other.operator} and {condition.operator}."
                yield Note(condition.key.offset, "never-matches", message, "Remove one of the two conditions.")


def _missing_and_there(one: Condition, other: Condition) -> bool:
    null, asked = (one, other) if one.operator.base == NULL else (other, one)
    wants_missing = null.operator.base == NULL and all(text.value.lower() == "true" for text in null.values)
    return wants_missing and asked.operator.base != NULL and not _holds_when_missing(asked)


def _holds_when_missing(condition: Condition) -> bool:
    operator = condition.operator
    return operator.if_exists or operator.negated or operator.qualifier is Qualifier.FOR_ALL


def _apart(one: Condition, other: Condition) -> bool:
    """Tell whether one wants a key of one value to be below what the other wants it to be above."""
    below, above = (one, other) if "LessThan" in one.operator.base else (other, one)
    family, less, _ = below.operator.base.partition("LessThan")
    other_family, greater, _ = above.operator.base.partition("GreaterThan")
    if not less or not greater or family != other_family or not vocabulary.is_single(one.folded):
        return False
    if _holds_when_missing(below) and _holds_when_missing(above):
        return False
    read = values.instant if family == "Date" else values.number
    return max(_limits(below.values, read)) < min(_limits(above.values, read))


def _limits(texts: Sequence[Text], read: Callable[[str], Decimal | int | None]) -> list[Decimal | int]:
    return [limit for text in texts if (limit := read(text.value)) is not None]


def _is_exact(condition: Condition) -> bool:
    return condition.operator.base.startswith("String") and "Like" not in condition.operator.base


CHECKS: tuple[Callable[[Statement], Notes], ...] = (
    contradictions, literal_wildcards, outside_domains, range_bits, set_operators, short_arns,
)  # fmt: skip
