"""Conditional requests (RFC 9110 13) as pure functions. Entity tags are the only validators that we send.

As no Last-Modified is sent, the date conditions are ignored as 13.1.3 and 13.1.4 ask, and an If-Range date is false.
"""

import re
from enum import Enum, auto

_MAX_CHARS = 4096
_ENTITY_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Precondition(Enum):
    """What the conditions come to."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    """304: the client has it already."""
    FAILED = auto()
    """412: the client wants another state of it."""


def entity_tag(sha256: str) -> str:
    """Return the strong entity tag (RFC 9110 8.8.3) of a file, from the hex SHA-256 of its plaintext.

    >>> entity_tag("9f86d081")
    '"9f86d081"'
    """
    return f'"{sha256}"'


def evaluate(etag: str, *, if_match: str | None = None, if_none_match: str | None = None) -> Precondition:
    """Evaluate a GET's or HEAD's conditions on a file that exists, in the order of RFC 9110 13.2.2.

    >>> evaluate('"a"', if_none_match='W/"a", "b"').name
    'NOT_MODIFIED'
    """
    # Step 1: If-Match compares strongly, so that a weak tag never matches.
    if if_match is not None and not _matches(etag, if_match, weak=False):
        return Precondition.FAILED
    # Step 3: If-None-Match compares weakly.
    if if_none_match is not None and _matches(etag, if_none_match, weak=True):
        return Precondition.NOT_MODIFIED
    return Precondition.PROCEED


def range_applies(etag: str, *, if_range: str | None) -> bool:
    """Tell whether the Range header is to be followed (RFC 9110 13.1.5, a strong comparison); else the whole is sent.

    >>> range_applies('"a"', if_range='"b"')
    False
    """
    return if_range is None or if_range.strip(" \t") == etag


def _matches(etag: str, header: str, *, weak: bool) -> bool:
    """Compare with a list of tags or '*'. A list that does not parse matches nothing."""
    text = header.strip(" \t")
    if text == "*":
        return True
    return any(tag == etag and (weak or not prefix) for prefix, tag in _entity_tags(text))


def _entity_tags(text: str) -> list[tuple[str, str]]:
    """Return (`W/` or empty, tag) for each of a comma-separated list, in which tags may hold commas."""
    tags: list[tuple[str, str]] = []
    at = 0
    while at < len(text) <= _MAX_CHARS:
        if text[at] in ", \t":
            at += 1
        elif found := _ENTITY_TAG.match(text, at):
            tags.append((found[1] or "", found[2]))
            at = found.end()
        else:
            return []
    return tags
