"""Statements compiled and indexed: a request meets only those that could be for its principal and its resource.

The index goes from a principal's word to a prefix of the resource to entries. A pattern is filed under its literal
text up to its last '/' or ':' before the first wildcard or variable; a request looks up each such prefix of its
resource, and the resource itself. So the cost of a decision does not grow with statements about other people or
other resources. An entry is then tested whole: the index only ever leaves out what cannot match.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.policy.conditions import ConditionTest
from gateway.policy.document import Document, Effect, Statement
from gateway.policy.glob import Matcher, compile_glob
from gateway.policy.pattern import Test
from gateway.policy.query import ANYONE, Query
from gateway.policy.template import Template, Wild, fold, literal, parse

MAX_PREFIXES = 8
"""How many separators of a resource are looked at; more would let a long path make a request dear."""

Index = dict[str, dict[str, list["Entry"]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement under one of its patterns."""

    statement: Statement
    action: Matcher
    resource: Test
    conditions: tuple[ConditionTest, ...]
    excluded: frozenset[str]
    """Words of NotPrincipal."""

    def matches(self, query: Query) -> bool:
        """Tell whether the statement holds for a request that its principal was found for."""
        return (
            self.action(query.action)
            and self.resource(query.resource, query) is True
            and self.excluded.isdisjoint(query.principals)
            and all(test(query) for test in self.conditions)
        )


class StatementIndex:
    """The statements of one effect."""

    def __init__(self, documents: Iterable[Document], effect: Effect) -> None:
        self._index: Index = {}
        for document in documents:
            for statement in document.statements:
                if statement.effect is effect:
                    self._add(statement)

    def _add(self, statement: Statement) -> None:
        clause = statement.principal
        words = frozenset({ANYONE}) if clause is None or clause.negated else clause.words
        for prefix, entry in _entries(statement):
            for word in words:
                self._index.setdefault(word, {}).setdefault(prefix, []).append(entry)

    def candidates(self, query: Query) -> Iterator[Entry]:
        """Yield what could match: of its principal, and with a pattern that starts as the resource does."""
        prefixes = prefixes_of(query.resource)
        for word in query.principals:
            by_prefix = self._index.get(word)
            if by_prefix is not None:
                for prefix in prefixes:
                    yield from by_prefix.get(prefix, ())

    def matching(self, query: Query) -> set[Statement]:
        """Return the statements that match."""
        return {entry.statement for entry in self.candidates(query) if entry.matches(query)}


def prefixes_of(resource: str) -> list[str]:
    """Return the resource, and its starts up to each of the first separators.

    >>> prefixes_of("dataset/vision/v1")
    ['dataset/vision/v1', '', 'dataset/', 'dataset/vision/']
    """
    prefixes = [resource, ""]
    colons = resource.replace(":", "/")
    at = colons.find("/") + 1
    while at and len(prefixes) < MAX_PREFIXES + 2:
        prefixes.append(resource[:at])
        at = colons.find("/", at) + 1
    return prefixes


def _entries(statement: Statement) -> Iterator[tuple[str, Entry]]:
    action = action_test(statement)
    excluded = statement.principal.words if statement.principal and statement.principal.negated else frozenset[str]()
    if ANYONE in excluded:  # NotPrincipal "*" is for nobody
        return
    conditions = tuple(condition.test for condition in statement.conditions)

    def entry(resource: Test) -> Entry:
        return Entry(statement, action, resource, conditions, excluded)

    if statement.not_resources:
        yield "", entry(resource_test(statement))
        return
    for pattern in statement.resources:
        yield _prefix(pattern.template), entry(pattern.test)


def _prefix(template: Template) -> str:
    text = literal(template)
    if template == (text,):
        return text
    *_, longest = ["", *sorted(prefixes_of(text)[2:], key=len)]
    return longest


def action_test(statement: Statement) -> Matcher:
    """Return the test of a folded action against the statement's whole Action or NotAction."""
    templates = [parse(fold(text.value), variables=False, wildcards=True) for text in statement.actions]
    fixed = frozenset(literal(template) for template in templates if Wild not in map(type, template))
    globs = [compile_glob(template) for template in templates if Wild in map(type, template)]
    if statement.not_actions:
        return lambda action: action not in fixed and not any(match(action) for match in globs)
    if not globs:
        return fixed.__contains__
    if not fixed and len(globs) == 1:
        return globs[0]
    return lambda action: action in fixed or any(match(action) for match in globs)


def resource_test(statement: Statement) -> Test:
    """Return the test of the statement's whole Resource or NotResource."""
    tests = [pattern.test for pattern in statement.resources]

    def one_of(resource: str, query: Query) -> bool:
        return any(test(resource, query) for test in tests)

    def none_of(resource: str, query: Query) -> bool:
        # Also not where a variable has no value: then nobody can say what is left out.
        return all(test(resource, query) is False for test in tests)

    return none_of if statement.not_resources else one_of
