"""What a sink is made of: a batch of records, and a target that takes it whole or says why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.audit.record import Record, parse
from gateway.errors import JournalBroken

Encoder = Callable[[Record], bytes]
"""Returns an event as a sink's readers want it; without a line feed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that follow each other in one journal; at least one."""

    instance: str
    """Whose journal it is."""
    records: Sequence[Record]

    @property
    def first(self) -> int:
        """The number of the first record."""
        return self.records[0].seq

    @property
    def last(self) -> int:
        """The number of the last record."""
        return self.records[-1].seq

    @property
    def name(self) -> str:
        """A name that the same batch has each time that it is sent."""
        return f"{self.instance}-{self.first}-{self.last}"

    def halves(self) -> tuple["Batch", "Batch"]:
        """Return the batch in two, neither empty if it has two records or more."""
        middle = len(self.records) // 2
        return Batch(self.instance, self.records[:middle]), Batch(self.instance, self.records[middle:])


class Target(Protocol):
    """Where events go."""

    async def send(self, batch: Batch) -> None:
        """Return once the batch is out of our hands.

        Raises:
            SinkUnavailable: not now; the same batch is sent again, of which some may have arrived.
            EventRefused: an event of it will never be taken.
        """

    async def close(self) -> None:
        """Let go of connections."""


def batch_of(instance: str, lines: Sequence[bytes]) -> Batch:
    """Return the journal's lines as a batch.

    Raises:
        JournalBroken: one is no record; nothing after it is shipped, since it is not known what it is.
    """
    records: list[Record] = []
    for line in lines:
        record = parse(line)
        if record is None:
            known = f"after record {records[-1].seq}" if records else "where its next record should be"
            raise JournalBroken(f"The journal of {instance} has a line that is no record, {known}.")
        records.append(record)
    return Batch(instance, records)


def line_of(record: Record) -> bytes:
    """Return the record's line, byte for byte (FORMAT.md, section 3)."""
    return b'{"seq":%d,"prev":"%b","event":%b,"hash":"%b"}\n' % (record.seq, record.prev, record.event, record.hash)
