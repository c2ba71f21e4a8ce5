"""Lets the tree grow from the journal's records, each of which is held against what was written before. It blocks."""

import logging
from collections.abc import Sequence
from pathlib import Path

from gateway.audit.chain import examine
from gateway.audit.checkpoint import Checkpoint, open_checkpoint
from gateway.audit.note import VerifierKey
from gateway.audit.record import entry_of
from gateway.audit.segments import read_after
from gateway.audit.tree import FOLDER, GrowingTree
from gateway.errors import InvalidProof, JournalBroken

log = logging.getLogger(__name__)

_BATCH = 2048
"""Records that are read and hashed at a time: few, so that requests hardly wait for the interpreter."""


def grow(tree: GrowingTree, journal: Path, size: int) -> None:
    """Add the next records to the tree, at most a batch and up to `size`.

    Raises:
        JournalBroken: they are not what was written; the message names the first bad one.
    """
    lines = read_after(journal, tree.size, min(_BATCH, size - tree.size))
    report = examine(lines, after=tree.head(), instance=None if tree.size else journal.name)
    if report.finding:
        raise JournalBroken(f"The audit journal was changed. {report.finding.message}")
    tree.extend(map(entry_of, lines))


def resume(journal: Path, *, size: int, keys: Sequence[VerifierKey]) -> tuple[GrowingTree, Checkpoint | None]:
    """Return the journal's tree as it was signed last, with the checkpoint; made anew where its tiles are damaged.

    Args:
        journal: The journal's folder.
        size: How many records it has.
        keys: The log's keys.

    Raises:
        JournalBroken: the journal is not the one that was signed.
    """
    folder = journal / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    fresh = GrowingTree(folder)
    fresh.mend_history()
    note = fresh.newest()
    if note is None:
        return fresh, None
    signed = open_own(note, keys)
    if signed.size > size:
        raise JournalBroken(
            f"The audit journal was rolled back: it ends at record {size}, and {signed.size} were signed."
        )
    return _signed_tree(journal, signed) or _made_anew(fresh, journal, signed), signed


def open_own(note: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint in a note that has to be our own. Raises `JournalBroken`: it is not."""
    try:
        return open_checkpoint(note, keys)
    except InvalidProof as error:
        raise JournalBroken(f"The newest checkpoint is not ours. {error.message}", hint=error.hint) from error


def _signed_tree(journal: Path, signed: Checkpoint) -> GrowingTree | None:
    try:
        tree = GrowingTree(journal / FOLDER, signed.size)
        return tree if tree.root(signed.size) == signed.root else None
    except InvalidProof:
        return None


def _made_anew(tree: GrowingTree, journal: Path, signed: Checkpoint) -> GrowingTree:
    log.warning("the tree of the audit journal is damaged, and is made anew from the journal")
    while tree.size < signed.size:
        grow(tree, journal, signed.size)
    if tree.root(signed.size) != signed.root:
        raise JournalBroken(
            f"The audit journal was changed: its first {signed.size} records are not those that were signed.",
            hint="Hold it against the archive with gateway audit verify.",
        )
    return tree
