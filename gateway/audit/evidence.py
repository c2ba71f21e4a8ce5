"""Holds a journal against the checkpoints that were signed of it: what a chain alone cannot show, they do.

A chain shows a changed record in the middle. A checkpoint shows also an end that was cut off, and everything that was
written anew from some record on; and the tiles, which the checkpoint's root covers, tell from which.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from gateway.audit.chain import Fault, Finding, Report, examine, require_whole
from gateway.audit.checkpoint import Checkpoint, open_checkpoint
from gateway.audit.merkle import Frontier, Hash, leaf_hash
from gateway.audit.note import VerifierKey
from gateway.audit.record import Head, entry_of
from gateway.errors import InvalidProof

_BATCH = 256

Leaves = Callable[[int, int], Iterable[Hash]]
"""Returns the hashes of the entries from the second number to the first, as the tree of that size has them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a journal that is whole."""

    report: Report
    checkpoints: int
    """How many signed checkpoints it agrees with."""
    covered: int
    """How many of its records the newest of them covers."""


def verify_signed(  # noqa: PLR0913  # the journal, and all that it is held against
    lines: Iterable[bytes],
    *,
    notes: Iterable[bytes],
    keys: Sequence[VerifierKey],
    known: Iterable[bytes] = (),
    leaves: Leaves | None = None,
    instance: str | None = None,
    expected: Head | None = None,
) -> Evidence:
    """Read a journal from its first record, with its checkpoints beside it.

    Args:
        lines: The journal's lines, as for `gateway.audit.chain.verify`.
        notes: Every checkpoint that was signed of it, in their order.
        keys: The log's public keys.
        known: Checkpoints that were noted elsewhere, in any order.
        leaves: The tree's leaves, to name the first record that is not the one that was signed.
        instance: Whose journal it must be.
        expected: A head known from elsewhere.

    Raises:
        JournalBroken: it is not whole, or not what was signed; the message names the first bad record.
        InvalidProof: a checkpoint of `known` does not open.
    """
    signed = _Signed(notes, keys, sorted((open_checkpoint(note, keys) for note in known), key=lambda one: one.size))
    report = examine(signed.beside(lines), instance=instance, expected=expected)
    finding = signed.conclude(report, leaves)
    require_whole(replace(report, finding=finding))
    return Evidence(report, signed.agreed, signed.covered)


class _Signed:
    """The checkpoints of a journal, each of which is met when as many records were read as it covers."""

    def __init__(self, notes: Iterable[bytes], keys: Sequence[VerifierKey], known: Sequence[Checkpoint]) -> None:
        self.agreed = self.covered = 0
        self._notes = enumerate(notes, 1)
        self._keys = keys
        self._known = list(known)
        self._tree = Frontier()
        self._last_good = Frontier()
        self._fault: Finding | None = None
        self._contradicted: Checkpoint | None = None
        self._read: list[Hash] = []
        """The leaves since the last good checkpoint."""
        self._newest = Checkpoint("", 0, self._tree.root())
        self._next = self._take()

    def beside(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the lines on; each was found good when the next one is asked for."""
        rest = iter(lines)
        while room := self._meet():
            batch: list[bytes] = []
            for line in islice(rest, room):
                yield line
                batch.append(line)
            self._add(batch)
            if len(batch) < room:
                return
        yield from rest

    def conclude(self, report: Report, leaves: Leaves | None) -> Finding | None:
        """Return the first fault there is, the chain's or the checkpoints'."""
        wrong = self._contradicted
        # What was read behind the chain's first fault says nothing of the tree.
        rewritten = self._rewritten(wrong, leaves) if wrong and wrong.size <= report.head.seq else None
        found = [report.finding, self._fault, rewritten, None if report.finding else self._cut(report)]
        return min((one for one in found if one), key=lambda one: one.seq, default=None)

    def _meet(self) -> int:
        """Hold the tree against the checkpoints of its size; return how many more records to read, 0 for no more."""
        while self._known and self._known[0].size == self._tree.size:
            self._hold(self._known.pop(0))
        while self._next and self._next.size == self._tree.size and not self._contradicted:
            self._hold(self._next)
            self._next = self._take()
        ahead = [one.size for one in (self._next, *self._known[:1]) if one]
        done = self._fault or self._contradicted or not ahead
        return 0 if done else min(_BATCH, min(ahead) - self._tree.size)

    def _add(self, lines: Sequence[bytes]) -> None:
        try:
            leaves = [leaf_hash(entry_of(line)) for line in lines]
        except ValueError:  # no record of ours, so the chain ended before it
            self._next, self._known = None, []
            return
        self._tree.extend(leaves)
        self._read += leaves

    def _hold(self, checkpoint: Checkpoint) -> None:
        if checkpoint.root != self._tree.root():
            self._contradicted = self._contradicted or checkpoint
            return
        self.agreed, self.covered = self.agreed + 1, checkpoint.size
        self._last_good = self._tree.copy()
        self._read = []

    def _take(self) -> Checkpoint | None:
        """Return the next checkpoint of the history, if it is signed and goes on from the one before."""
        number, note = next(self._notes, (0, b""))
        if not number:
            return None
        before = self._newest
        try:
            self._newest = taken = open_checkpoint(note, self._keys)
        except InvalidProof as error:
            message = f"Checkpoint {number}, after the one over {before.size} records, is forged. {error.message}"
            self._fault = Finding(Fault.FORGED, before.size + 1, message)
            return None
        if taken.size < before.size:
            message = (
                f"Checkpoint {number} was rolled back: it covers {taken.size} records, the one before {before.size}."
            )
            self._fault = Finding(Fault.ROLLED_BACK, taken.size + 1, message)
        elif taken.size == before.size and taken.root != before.root:
            message = f"Two journals have one identity: both of {taken.size} records were signed as {taken.origin}."
            self._fault = Finding(Fault.FORKED, max(taken.size, 1), message)
        return None if self._fault else taken

    def _rewritten(self, wrong: Checkpoint, leaves: Leaves | None) -> Finding:
        """Say which record is not the one that was signed, where the signed tree still tells."""
        first = self._last_good.size + 1
        tree = self._last_good.copy()
        signed = self._leaves(leaves, wrong.size)
        for leaf in signed:
            tree.append(leaf)
        if tree.size != wrong.size or tree.root() != wrong.root:
            message = f"Records {first} to {wrong.size} are not those that were signed: another journal was."
            return Finding(Fault.FORKED, first, message)
        seq = next(first + n for n, pair in enumerate(zip(signed, self._read, strict=False)) if pair[0] != pair[1])
        message = f"Record {seq} was altered and the journal sealed anew from there: another record was signed."
        return Finding(Fault.ALTERED, seq, message)

    def _leaves(self, leaves: Leaves | None, size: int) -> list[Hash]:
        try:
            return list(leaves(size, self._last_good.size)) if leaves else []
        except InvalidProof:  # the tiles went as well
            return []

    def _cut(self, report: Report) -> Finding | None:
        """Say what is missing at the end of a journal that is whole in itself."""
        end = report.head.seq
        if self._next and self._next.size > end:
            message = f"The journal is truncated: it ends at record {end}, and {self._next.size} were signed."
            return Finding(Fault.TRUNCATED, end + 1, message)
        if self._known:
            size = self._known[-1].size
            message = f"The journal was rolled back: it ends at record {end}, and a checkpoint over {size} is known."
            return Finding(Fault.ROLLED_BACK, end + 1, message)
        return None
