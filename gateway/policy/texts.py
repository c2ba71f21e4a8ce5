"""What is wrong with the text of a document: secrets, look-alikes, and what means nothing."""

import re
from collections.abc import Callable, Iterator
from unicodedata import is_normalized

from gateway.policy.document import Document, Version
from gateway.policy.notes import Note, Notes
from gateway.policy.scanner import Node, Text


def empty_conditions(document: Document) -> Notes:
    """A Condition without a key."""
    for statement, node in zip(document.statements, _statement_nodes(document), strict=True):
        condition = node.value["Condition"] if isinstance(node.value, dict) and "Condition" in node.value else None
        if condition and isinstance(condition.value, dict):
            blocks = list(condition.value.values())
            if not blocks or any(block.value == {} for block in blocks):
                message = f"A Condition of {statement.name} asks nothing, so that it always holds."
                yield Note(condition.offset, "empty-condition", message, "Remove it, or say what it shall ask.")


def _statement_nodes(document: Document) -> list[Node]:
    found = document.node.value["Statement"] if isinstance(document.node.value, dict) else document.node
    return found.value if isinstance(found.value, list) else [found]


def old_version(document: Document) -> Notes:
    """Variables where they are plain text."""
    if document.version is Version.OLD:
        for text in _strings(document.node):
            if "${" in text.value:
                hint = 'Write "Version": "2012-10-17".'
                yield Note(text.offset, "old-version", "In this version '${' starts no variable.", hint)


_SECRETS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Vault token": re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}|\bs\.[A-Za-z0-9]{24}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{22,}"),
    "a JSON Web Token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\."),
    "a password in a URL": re.compile(r"://[^/\s:@]+:[^/\s:@$]+@"),
}


def secrets(document: Document) -> Notes:
    """What looks like a secret. The message does not repeat it."""
    for text in _strings(document.node):
        for what, pattern in _SECRETS.items():
            if pattern.search(text.value):
                hint = "Remove it here and in the history, and replace it where it is used."
                yield Note(text.offset, "secret", f"This looks like {what}.", hint)


def look_alikes(document: Document) -> Notes:
    """Text that compares otherwise than it reads: not in normal form C, or Latin mixed with its look-alikes."""
    for text in _strings(document.node):
        if not is_normalized("NFC", text.value):
            hint = "Save it in Unicode's normal form C; names of files and groups are in it."
            yield Note(text.offset, "look-alike", "This is not in Unicode's normal form C.", hint)
        elif _MIXED.search(text.value):
            hint = "Type the word anew."
            yield Note(text.offset, "look-alike", "This mixes Latin letters with look-alikes of other scripts.", hint)


_MIXED = re.compile(
    r"[A-Za-z][\u0370-\u03ff\u0400-\u052f\u2100-\u214f\uff00-\uffef]"
    r"|[\u0370-\u03ff\u0400-\u052f\u2100-\u214f\uff00-\uffef][A-Za-z]|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""A Latin letter beside a Greek, Cyrillic, letter-like or full-width one; what is invisible."""


def _strings(node: Node) -> Iterator[Text]:
    match node.value:
        case str():
            yield Text(node.value, node.offset)
        case list():
            for item in node.value:
                yield from _strings(item)
        case dict():
            for key, member in node.value.items():
                yield Text(key, member.label)
                yield from _strings(member)


CHECKS: tuple[Callable[[Document], Notes], ...] = (empty_conditions, look_alikes, old_version, secrets)
