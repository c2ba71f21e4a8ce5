"""Tells whether one decision holds for everything below a prefix, so that a million files are decided once. Pure.

Conditions see the request's context alone, and never its resource. So two requests that differ below the prefix can
differ only by a statement that is for their principal and action, whose conditions hold, and one of whose resource
patterns matches some of what is below the prefix and not the rest. Where no statement is like this, all statements
match all of it or nothing of it. In doubt the answer is no, and each is decided by itself.
"""

from collections.abc import Sequence
from enum import Enum, auto

from gateway.policy.compiled import Statements, action_test
from gateway.policy.document import Statement
from gateway.policy.glob import covers
from gateway.policy.pattern import resolve
from gateway.policy.query import ANYONE, Query
from gateway.policy.template import Template, Wild, literal, normal


class Reach(Enum):
    """How much of what is below a prefix a pattern matches."""

    ALL = auto()
    NONE = auto()
    SOME = auto()
    """Or we cannot say."""


def is_uniform(sets: Sequence[Statements], query: Query) -> bool:
    """Tell whether all that lies below `query.resource` (longer texts that start with it) gets one decision."""
    return all(
        _takes_one_side(statement, query)
        for one in sets
        for document in one.documents
        for statement in document.statements
        if _concerns(statement, query)
    )


def _concerns(statement: Statement, query: Query) -> bool:
    """Tell whether it could match, by all that does not depend on the resource."""
    return (
        action_test(statement)(query.action)
        and _is_for(statement, query)
        and all(condition.test(query) for condition in statement.conditions)
    )


def _is_for(statement: Statement, query: Query) -> bool:
    clause = statement.principal
    if clause is None:
        return True
    named = not clause.words.isdisjoint(query.principals)
    return (not named and ANYONE not in clause.words) if clause.negated else named


def _takes_one_side(statement: Statement, query: Query) -> bool:
    reaches = {_reach(resolve(pattern.template, query), query.resource) for pattern in statement.resources}
    # One pattern that matches all decides for the list, whatever the others are; so it does for NotResource.
    return Reach.ALL in reaches or Reach.SOME not in reaches


def _reach(template: Template | None, prefix: str) -> Reach:
    """Return how much below the prefix a resolved pattern matches; one without its variable's value matches nothing.

    >>> from gateway.policy.template import parse
    >>> texts = ("dataset/*", "model/*", "dataset/*/held-out/*", "dataset/a/v1")
    >>> [_reach(parse(text, variables=True, wildcards=True), "dataset/a/v1/").name for text in texts]
    ['ALL', 'NONE', 'SOME', 'NONE']
    """
    if template is None:
        return Reach.NONE
    if covers(template, normal([prefix, Wild.STAR])):
        return Reach.ALL
    head = literal(template)
    if template == (head,):
        return Reach.SOME if head.startswith(prefix) else Reach.NONE
    return Reach.SOME if head.startswith(prefix) or prefix.startswith(head) else Reach.NONE
