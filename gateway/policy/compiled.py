"""Statements compiled and indexed: a request meets only those that could be for its principal and its resource.

The index goes from a principal's word to a start of the resource to entries. A pattern is filed under its literal
text up to its last '/' or ':' before the first wildcard or variable; a request looks up each such start of its
resource, and the resource itself. So the cost of a decision does not grow with statements about other people or
other resources. The index only ever leaves out what cannot match; an entry tests what is left.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.policy.conditions import ConditionTest
from gateway.policy.document import Document, Effect, Statement
from gateway.policy.glob import Matcher, compile_glob
from gateway.policy.pattern import Test
from gateway.policy.query import ANYONE, Query, depth_of, starts_of
from gateway.policy.template import Template, Wild, fold, literal, parse


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement under one of its patterns."""

    statement: Statement
    denies: bool
    action: Matcher
    resource: Test | None
    """None where the index has settled it."""
    conditions: tuple[ConditionTest, ...]
    excluded: frozenset[str]
    """Words of NotPrincipal."""

    def matches(self, query: Query) -> bool:
        """Tell whether the statement holds for a request that the index found it for."""
        if not self.action(query.action):
            return False
        if self.resource is not None and not self.resource(query.resource, query):
            return False
        if self.excluded and not self.excluded.isdisjoint(query.principals):
            return False
        return all(test(query) for test in self.conditions) if self.conditions else True


class Statements:
    """A set of documents, compiled once."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = tuple(documents)
        self._index: dict[str, dict[str, list[Entry]]] = {}
        self._depth = 0
        """The most separators in a start that patterns are filed under."""
        for document in self.documents:
            for statement in document.statements:
                self._add(statement)

    def _add(self, statement: Statement) -> None:
        clause = statement.principal
        words = frozenset({ANYONE}) if clause is None or clause.negated else clause.words
        for start, entry in _entries(statement):
            self._depth = max(self._depth, depth_of(start))
            for word in words:
                self._index.setdefault(word, {}).setdefault(start, []).append(entry)

    def matching(self, query: Query) -> tuple[set[Statement], set[Statement]]:
        """Return the statements that match: those that deny, and those that allow."""
        denies, allows = set[Statement](), set[Statement]()
        for entries in self._filed(query):
            for entry in entries:
                if entry.matches(query):
                    (denies if entry.denies else allows).add(entry.statement)
        return denies, allows

    def denying(self, query: Query) -> bool:
        """Tell whether a statement that denies matches."""
        return any(entry.denies and entry.matches(query) for entries in self._filed(query) for entry in entries)

    def _filed(self, query: Query) -> list[list[Entry]]:
        """Return the entries that could be for the request, as they are filed."""
        index = self._index
        # Most of what a caller answers to is named by no statement.
        by_word = [index[word] for word in query.principals if word in index]
        if not by_word:
            return []
        starts = starts_of(query.resource, self._depth)
        return [by_start[start] for by_start in by_word for start in starts if start in by_start]


def _entries(statement: Statement) -> Iterator[tuple[str, Entry]]:
    action = action_test(statement)
    excluded = statement.principal.words if statement.principal and statement.principal.negated else frozenset[str]()
    if ANYONE in excluded:  # NotPrincipal "*" is for nobody
        return
    conditions = tuple(condition.test for condition in statement.conditions)

    def entry(resource: Test | None) -> Entry:
        return Entry(statement, statement.effect is Effect.DENY, action, resource, conditions, excluded)

    if statement.not_resources:
        yield "", entry(resource_test(statement))
        return
    for pattern in statement.resources:
        start = _filed_under(pattern.template)
        settled = pattern.template in ((start,), (start, Wild.STAR), (Wild.STAR,))
        yield start, entry(None if settled else pattern.test)


def _filed_under(template: Template) -> str:
    """Return the text itself where it is literal, else its longest start that a request looks up."""
    text = literal(template)
    return text if template == (text,) else max(starts_of(text)[1:], key=len)


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
        return not one_of(resource, query)

    return none_of if statement.not_resources else one_of
