"""Reads base64url and JSON strictly: one spelling for each value, bounded, nothing said twice."""

import base64
import json
from typing import NoReturn

MAX_DEPTH = 16
"""Levels of nesting in any JSON that we read."""


def encode_base64url(raw: bytes) -> str:
    """Return `raw` in base64url without padding (RFC 7515 2).

    >>> encode_base64url(b"hi")
    'aGk'
    """
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """Return the bytes that `text` spells, if it is their only spelling.

    >>> decode_base64url("aGk")
    b'hi'
    >>> decode_base64url("aGl")
    Traceback (most recent call last):
    ValueError: it is not canonical base64url

    Raises:
        ValueError: padding, another alphabet, or bits after the end (RFC 4648 3.5).
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("it is not base64url") from None
    # The decoder skips what it does not know; encoding again tells the one spelling from the others.
    if encode_base64url(raw) != text:
        raise ValueError("it is not canonical base64url")
    return raw


def read_object(raw: bytes) -> dict[str, object]:
    """Return the JSON object in `raw`.

    >>> read_object(b'{"iss": "a", "iss": "b"}')
    Traceback (most recent call last):
    ValueError: it has the member 'iss' twice

    Raises:
        ValueError: not UTF-8, not JSON, not an object, a name twice, NaN, or deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError("it is not JSON in UTF-8") from None
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  the value is wrong, not the caller's type
    _check_tree(value)
    return value


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # RFC 7519 4: names must be unique. Parsers that take the first and those that take the last see two tokens.
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"it has the member {name[:40]!r} twice")
        members[name] = value
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has {name}, which is not JSON")


def _check_tree(root: object) -> None:
    level: list[object] = [root]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for value in level:
            below.extend(_children(value))
        if not below:
            return
        level = below
    raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("it has half a surrogate pair")  # no UTF-8 can hold it, so it would fail much later
    return []
