"""What is legal in a statement's principal, actions and resources, and yet wrong: one function a kind of mistake."""

from collections.abc import Callable, Iterator

from gateway.policy import vocabulary
from gateway.policy.document import Effect, Statement
from gateway.policy.glob import compile_glob
from gateway.policy.notes import Note, Notes
from gateway.policy.query import ANYONE
from gateway.policy.scanner import Text
from gateway.policy.suggest import did_you_mean
from gateway.policy.template import Template, Variable, Wild, fold, literal, parse


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
    keys += [(key, key, offset) for _, key, _, offset in _variables(statement)]
    for folded, written, offset in keys:
        if not vocabulary.is_key(folded):
            close = did_you_mean(written, (*vocabulary.KEYS, *vocabulary.KEY_FAMILIES))
            yield Note(offset, "unknown-key", f"Requests have no key {written[:80]!r}.", close)


def _variables(statement: Statement) -> Iterator[tuple[bool, str, str | None, int]]:
    """Yield whether it is negated, its key, its default and its place, for each variable."""
    for pattern in statement.resources:
        for variable in _variables_of(pattern.template):
            yield statement.not_resources, variable.key, variable.default, pattern.text.offset
    for condition in statement.conditions:
        if condition.variables:
            for text in condition.values:
                for variable in _variables_of(parse(text.value, variables=True, wildcards=True)):
                    yield condition.operator.negated, variable.key, variable.default, text.offset


def _variables_of(template: Template) -> list[Variable]:
    return [piece for piece in template if isinstance(piece, Variable)]


def unresolved_variables(statement: Statement) -> Notes:
    """A variable that, while it has no value, makes a Deny hold for less or an Allow for more."""
    for negated, key, default, offset in _variables(statement):
        if default is None and negated is (statement.effect is Effect.ALLOW):
            wrong = "this Allow holds for everything" if negated else "this Deny holds for nothing"
            hint = f"Give it a default: ${{{key}, 'nobody'}}."
            yield Note(offset, "unresolved-variable", f"Where a request has no {key!r}, {wrong}.", hint)


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
            if head.startswith(vocabulary.OTHER_ROOTS):
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


def _foreign_resources(statement: Statement) -> Notes:
    roots = vocabulary.roots_of(matching_actions(statement)) or vocabulary.DATA_ROOTS
    for pattern in statement.resources:
        head = literal(pattern.template)
        open_end = pattern.template != (head,)
        if not any(head.startswith(root) or (open_end and root.startswith(head)) for root in roots):
            message = f"{pattern.text.value[:80]!r} is no resource of these actions."
            hint = f"Theirs start with {' or '.join(roots)}."
            yield Note(pattern.text.offset, "never-matches", message, hint)


CHECKS: tuple[Callable[[Statement], Notes], ...] = (
    crossing_namespaces, never_matching, too_wide, unknown_actions, unknown_keys, unresolved_variables,
)  # fmt: skip
