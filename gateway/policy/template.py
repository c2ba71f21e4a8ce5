"""Takes a policy's text apart into literal text, wildcards and variables (IAM User Guide, "Variables and tags").

Wildcards and escapes are told apart here, once, so that neither a variable's value nor `${*}` can ever become a
wildcard later.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from gateway.policy.findings import Refusal


class Wild(Enum):
    """A wildcard."""

    STAR = "*"
    """Any run of characters, also an empty one, across '/' and ':'."""
    ANY = "?"
    """Exactly one character."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`${key}` or `${key, 'default'}`."""

    key: str
    """Folded, as keys compare."""
    default: str | None = None


Piece: TypeAlias = str | Wild | Variable
Template: TypeAlias = tuple[Piece, ...]

_WILD = {"*": Wild.STAR, "?": Wild.ANY}
_VARIABLE = re.compile(
    r"""\$\{(?: (?P<escape>[*?$])
              | [ ]*+ (?P<key>[^\s{}$,'"*?] (?:[^{}$,'"*?]*[^\s{}$,'"*?])?) [ ]*
                (?:, [ ]*+ '(?P<default>[^']*+)' [ ]*+)? ) \}""",
    re.VERBOSE,
)
_SPECIAL = re.compile(r"[*?]|\$\{")
_UPPER_TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@lru_cache(maxsize=4096)  # every request has the same keys and actions
def fold(name: str) -> str:
    """Return an action or a condition key as it compares: without the case of A to Z, and of nothing else.

    `str.lower` would make K (the Kelvin sign) a k, and let a look-alike pass for a name.

    >>> fold("S3:GetObject"), fold("\N{KELVIN SIGN}") == "k"
    ('s3:getobject', False)
    """
    return name.lower() if name.isascii() else name.translate(_UPPER_TO_LOWER)


def parse(text: str, *, variables: bool, wildcards: bool, offset: int = 0) -> Template:
    """Take `text` apart. Version 2008-10-17 knows no variables: there `${…}` is literal text.

    >>> parse("home/${aws:UserName, 'x'}/*", variables=True, wildcards=True)
    ('home/', Variable(key='aws:username', default='x'), '/', <Wild.STAR: '*'>)

    Raises:
        Refusal: a variable is not well formed.
    """
    pieces: list[Piece] = []
    at = 0
    for special in _SPECIAL.finditer(text):
        if special.start() < at:  # inside the variable before
            continue
        piece, end = _special(text, special, variables=variables, wildcards=wildcards, offset=offset)
        pieces += [text[at : special.start()], piece]
        at = end
    pieces.append(text[at:])
    return normal(pieces)


def _special(text: str, special: re.Match[str], *, variables: bool, wildcards: bool, offset: int) -> tuple[Piece, int]:
    if wild := _WILD.get(special[0]):
        return (wild if wildcards else special[0]), special.end()
    if not variables:
        return special[0], special.end()
    match = _VARIABLE.match(text, special.start())
    if not match:
        raise Refusal(
            offset,
            f"{text[special.start() :][:40]!r} starts no policy variable.",
            "Write ${key}, ${key, 'default'}, or ${$} for a plain dollar sign.",
        )
    if match["escape"]:
        return match["escape"], match.end()
    return Variable(fold(match["key"]), match["default"]), match.end()


def normal(pieces: list[Piece]) -> Template:
    """Join neighbouring text, and neighbouring stars, which match what one matches.

    >>> normal(["a", "b", Wild.STAR, "", Wild.STAR])
    ('ab', <Wild.STAR: '*'>)
    """
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, str) and isinstance(last, str):
            joined[-1] = last + piece
        elif piece != "" and not (piece is Wild.STAR and last is Wild.STAR):
            joined.append(piece)
    return tuple(joined)


def literal(template: Template) -> str:
    """Return the text before the first wildcard or variable: what everything that matches starts with."""
    return template[0] if template and isinstance(template[0], str) else ""
