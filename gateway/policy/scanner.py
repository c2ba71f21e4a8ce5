"""Reads JSON (RFC 8259) and remembers where everything stands.

Stricter than most readers: the size is bounded before anything is read, depth and count while reading, and a key
that comes twice is refused, because two readers could take different ones. The time is linear in the text.
"""

import json
import re
from dataclasses import dataclass
from typing import TypeAlias

from gateway.policy.findings import Refusal

MAX_BYTES = 64 * 1024
"""The largest policy that we read. AWS's own limits are 2 to 20 KiB."""
MAX_DEPTH = 24
MAX_NODES = 50_000

_SPACE = frozenset(" \t\n\r")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_WORD = re.compile(r"true|false|null")
_WORDS = {"true": True, "false": False, "null": None}
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Number(str):
    """A JSON number as it was written, so that no digit is lost."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A string of a policy and its place."""

    value: str
    offset: int


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and its place."""

    offset: int
    value: "Value"
    end: int = 0
    label: int = 0
    """Where its key stands, if it is a member of an object."""


Value: TypeAlias = "str | Number | bool | list[Node] | dict[str, Node] | None"


def scan(text: str, *, max_bytes: int = MAX_BYTES) -> Node:
    """Return the one JSON value that `text` holds.

    >>> scan('{"a": [1, true]}').value["a"].offset
    6

    Raises:
        Refusal: the text is no JSON, or breaks a limit, or repeats a key.
    """
    # A character takes at least one byte, so the cheap test comes first.
    if len(text) > max_bytes or len(text.encode(errors="replace")) > max_bytes:
        raise Refusal(0, f"It is longer than {max_bytes:,} bytes.", "Split it.", code="too-large")
    scanner = _Scanner(text)
    node = scanner.value(scanner.space(0), 0, 0)
    if (rest := scanner.space(node.end)) != len(text):
        raise _syntax(rest, "There is more after the end of the document.")
    return node


def is_text(node: Node) -> bool:
    """Tell whether a value is a string."""
    return isinstance(node.value, str) and not isinstance(node.value, Number)


def _syntax(offset: int, message: str, suggestion: str = "") -> Refusal:
    return Refusal(offset, message, suggestion, code="syntax")


class _Scanner:
    """Descends once through the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.nodes = 0

    def space(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in _SPACE:
            at += 1
        return at

    def value(self, at: int, depth: int, label: int) -> Node:
        self.nodes += 1
        if depth >= MAX_DEPTH:
            raise Refusal(at, f"It is nested more than {MAX_DEPTH} deep.", code="too-large")
        if self.nodes > MAX_NODES:
            raise Refusal(at, f"It has more than {MAX_NODES:,} values.", "Split it.", code="too-large")
        first = self.text[at : at + 1]
        if first == '"':
            text, end = self.string(at)
            return Node(at, text, end, label)
        if first == "{":
            return self.object(at, depth, label)
        if first == "[":
            return self.array(at, depth, label)
        return self.scalar(at, label)

    def string(self, at: int) -> tuple[str, int]:
        match = _STRING.match(self.text, at)
        if not match:
            raise _syntax(at, "This string is never closed, or has a wrong escape or a control character in it.")
        text = match[0][1:-1]
        if "\\" in text:
            text = json.loads(match[0])
        if _SURROGATE.search(text):
            raise _syntax(at, "This string is not valid Unicode: it has half of a surrogate pair.")
        return text, match.end()

    def scalar(self, at: int, label: int) -> Node:
        if word := _WORD.match(self.text, at):
            return Node(at, _WORDS[word[0]], word.end(), label)
        if number := _NUMBER.match(self.text, at):
            return Node(at, Number(number[0]), number.end(), label)
        raise self.wrong(at, f"{self.text[at : at + 1]!r} cannot start a JSON value.", "Text stands in double quotes.")

    def wrong(self, at: int, message: str, suggestion: str = "") -> Refusal:
        if at >= len(self.text):
            return _syntax(at, "The document ends too early.", "Look for a bracket or a quote that is never closed.")
        return _syntax(at, message, suggestion)

    def array(self, at: int, depth: int, label: int) -> Node:
        items: list[Node] = []
        at_item = self.space(at + 1)
        while self.text[at_item : at_item + 1] != "]" or items:
            item = self.value(at_item, depth + 1, at_item)
            items.append(item)
            at_item, done = self.after(item.end, "]")
            if done:
                break
        return Node(at, items, at_item + 1, label)

    def object(self, at: int, depth: int, label: int) -> Node:
        members: dict[str, Node] = {}
        at_key = self.space(at + 1)
        while self.text[at_key : at_key + 1] != "}" or members:
            key, at_colon = self.key(at_key, members)
            member = self.value(self.space(at_colon + 1), depth + 1, at_key)
            members[key] = member
            at_key, done = self.after(member.end, "}")
            if done:
                break
        return Node(at, members, at_key + 1, label)

    def key(self, at: int, members: dict[str, Node]) -> tuple[str, int]:
        if self.text[at : at + 1] != '"':
            raise self.wrong(at, "Here a key in double quotes is due.", "Look for a comma too many.")
        key, end = self.string(at)
        if key in members:
            raise _syntax(at, f"The key {key[:80]!r} comes twice in one object.", "Merge the two.")
        at_colon = self.space(end)
        if self.text[at_colon : at_colon + 1] != ":":
            raise self.wrong(at_colon, f"A ':' is missing after the key {key[:80]!r}.")
        return key, at_colon

    def after(self, end: int, closing: str) -> tuple[int, bool]:
        """Return where the next item starts, or where the closing bracket stands and True."""
        at = self.space(end)
        mark = self.text[at : at + 1]
        if mark == closing:
            return at, True
        if mark != ",":
            raise self.wrong(at, f"Here ',' or '{closing}' is due.")
        return self.space(at + 1), False
