"""Checkpoints (C2SP tlog-checkpoint): what a journal's tree was at some size, as a log states and signs it. Pure."""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.audit.note import VerifierKey, open_note, read_base64
from gateway.errors import InvalidProof

_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` records of the journal `origin`, under the root of the tree over them."""

    origin: str
    size: int
    root: bytes
    """32 bytes."""

    @property
    def text(self) -> str:
        """What is signed.

        >>> Checkpoint("example.com/log", 0, bytes(32)).text.splitlines()
        ['example.com/log', '0', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']
        """
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that a note's text states; extension lines, which we never write, are refused.

    Raises:
        InvalidProof: it states none.
    """
    found = _BODY.fullmatch(text)
    if not found:
        raise InvalidProof("This note is no checkpoint: it needs an origin, a size and a root.")
    return Checkpoint(found[1], int(found[2]), read_base64(found[3]))


def open_checkpoint(note: bytes, keys: Iterable[VerifierKey]) -> Checkpoint:
    """Return the checkpoint in a note, which the log itself has signed: a key's name is the origin it signs for.

    Raises:
        InvalidProof: the note does not open, or none of the keys is of this log.
    """
    claimed = note.partition(b"\n")[0].decode(errors="replace")
    ours = [key for key in keys if key.name == claimed]
    if not ours:
        raise InvalidProof(f"No key was given for the log {claimed[:80]!r}, whose checkpoint this is.")
    return read_checkpoint(open_note(note, ours))


def read_history(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the notes in a file of checkpoints, each of which is followed by an empty line.

    A half-written last one, as a kill leaves it, is none.
    """
    note, blanks = b"", 0
    for line in lines:
        blanks += line == b"\n"
        if blanks == 2:  # noqa: PLR2004  # the first stands between a note's text and its signatures
            yield note
            note, blanks = b"", 0
        else:
            note += line
