"""A pattern as a policy writes it: matched as it stands, or once a request has given its variables their values."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from gateway.policy.glob import compile_glob
from gateway.policy.query import Query
from gateway.policy.template import Piece, Template, Variable, normal

Test: TypeAlias = Callable[[str, Query], bool]
"""Whether a text matches for this request. A variable without a value is null: nothing is equal to it, or like it."""

_resolved_glob = lru_cache(maxsize=4096)(compile_glob)


def resolve(template: Template, query: Query) -> Template | None:
    """Put each variable's value in its place, as literal text whatever it holds; None if one has none."""
    pieces: list[Piece] = []
    for piece in template:
        value = query.resolve(piece) if isinstance(piece, Variable) else piece
        if value is None:
            return None
        pieces.append(value)
    return normal(pieces)


def has_variable(template: Template) -> bool:
    """Tell whether the template depends on the request."""
    return any(isinstance(piece, Variable) for piece in template)


def compile_pattern(template: Template) -> Test:
    """Return the test of a text against the template.

    >>> from gateway.policy.template import parse
    >>> home = compile_pattern(parse("home/${aws:username}/*", variables=True, wildcards=True))
    >>> home("home/ada/a.csv", Query((), "", "", {"aws:UserName": "ada"}))
    True
    """
    if not has_variable(template):
        match = compile_glob(template)
        return lambda text, _query: match(text)

    def test(text: str, query: Query) -> bool:
        resolved = resolve(template, query)
        return resolved is not None and _resolved_glob(resolved)(text)

    return test
