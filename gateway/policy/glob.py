"""Matches text against `*` and `?` in linear time, and tells whether one pattern covers another.

A pattern is cut at its stars into segments. The first and the last are anchored; each one between is looked for from
the left, and the first place found is kept: taking a later one could only leave less for the rest. So nothing is
ever tried twice, which is where backtracking matchers explode.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from gateway.policy.template import Piece, Template, Variable, Wild

Matcher: TypeAlias = Callable[[str], bool]
Segment: TypeAlias = tuple[str | None, ...]
"""Runs of literal text, and None where any one character stands."""


def compile_glob(template: Template) -> Matcher:
    """Return the test whether a text matches a template without variables.

    >>> from gateway.policy.template import parse
    >>> match = compile_glob(parse("a*b?", variables=True, wildcards=True))
    >>> match("a--bc"), match("a--b")
    (True, False)
    """
    segments = _segments(template)
    if len(segments) == 1:
        return _whole(segments[0])
    first, *middle, last = segments
    if not middle and not last and len(first) == 1 and first[0] is not None:
        head = first[0]
        return lambda text: text.startswith(head)
    return _starred(first, [_finder(segment) for segment in middle], last)


def _segments(template: Template) -> list[Segment]:
    segments: list[list[str | None]] = [[]]
    for piece in template:
        if piece is Wild.STAR:
            segments.append([])
        else:
            segments[-1].append(None if piece is Wild.ANY else str(piece))
    return [tuple(segment) for segment in segments]


def _whole(segment: Segment) -> Matcher:
    if len(segment) == 1 and segment[0] is not None:
        return segment[0].__eq__
    size = _size(segment)
    return lambda text: len(text) == size and _fits(segment, text, 0)


def _starred(first: Segment, middle: Sequence[Callable[[str, int, int], int]], last: Segment) -> Matcher:
    head, tail = _size(first), _size(last)

    def match(text: str) -> bool:
        end = len(text) - tail
        if end < head or not _fits(first, text, 0) or not _fits(last, text, end):
            return False
        at = head
        for find in middle:
            at = find(text, at, end)
            if at < 0:
                return False
        return True

    return match


def _size(segment: Segment) -> int:
    return sum(1 if part is None else len(part) for part in segment)


def _fits(segment: Segment, text: str, at: int) -> bool:
    for part in segment:
        if part is None:
            at += 1
        elif text.startswith(part, at):
            at += len(part)
        else:
            return False
    return True


def _finder(segment: Segment) -> Callable[[str, int, int], int]:
    """Return a search for the segment in text[at:end] that answers where its first occurrence ends, or -1."""
    if None not in segment:
        needle = "".join(str(part) for part in segment)

        def find(text: str, at: int, end: int) -> int:
            found = text.find(needle, at, end)
            return found + len(needle) if found >= 0 else -1

        return find
    return _shift_and(segment)


def _shift_and(segment: Segment) -> Callable[[str, int, int], int]:
    """Search with '?' by Baeza-Yates and Gonnet's shift-and: one step a character, whatever the pattern repeats."""
    anywhere, masks = 0, dict[str, int]()
    for bit, char in enumerate(char for part in segment for char in (part or (None,))):
        if char is None:
            anywhere |= 1 << bit
        else:
            masks[char] = masks.get(char, 0) | 1 << bit
    accept = 1 << (_size(segment) - 1)

    def find(text: str, at: int, end: int) -> int:
        state = 0
        for place in range(at, end):
            state = (state << 1 | 1) & (masks.get(text[place], 0) | anywhere)
            if state & accept:
                return place + 1
        return -1

    return find


def covers(wide: Template, narrow: Template) -> bool:
    """Tell whether all that `narrow` matches, `wide` matches. May miss a case, never claims a wrong one.

    >>> from gateway.policy.template import parse
    >>> a, b = (parse(text, variables=True, wildcards=True) for text in ("dataset/*", "dataset/vision/?*"))
    >>> covers(a, b), covers(b, a)
    (True, False)
    """
    have = _symbols(narrow)
    first, *more = _cut(_symbols(wide))
    if not more:
        return len(first) == len(have) and _stand(first, have, 0)
    *middle, last = more
    end = len(have) - len(last)
    if end < len(first) or not _stand(first, have, 0) or not _stand(last, have, end):
        return False
    at = len(first)
    for segment in middle:
        places = (place for place in range(at, end - len(segment) + 1) if _stand(segment, have, place))
        at = next(places, end) + len(segment)
        if at > end:
            return False
    return True


def _cut(symbols: list[Piece]) -> list[list[Piece]]:
    segments: list[list[Piece]] = [[]]
    for symbol in symbols:
        if symbol is Wild.STAR:
            segments.append([])
        else:
            segments[-1].append(symbol)
    return segments


def _stand(segment: list[Piece], have: list[Piece], at: int) -> bool:
    return all(map(_stands_for, segment, have[at : at + len(segment)]))


def _symbols(template: Template) -> list[Piece]:
    symbols: list[Piece] = []
    for piece in template:
        symbols += list(piece) if isinstance(piece, str) else [piece]
    return symbols


def _stands_for(wide: Piece, narrow: Piece) -> bool:
    if wide is Wild.ANY:
        # A variable's value may be longer than one character, a star's as well.
        return narrow is not Wild.STAR and not isinstance(narrow, Variable)
    return wide == narrow
