"""Random access: which ciphertext a range of plaintext needs, and its decryption, segment by segment as it comes."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.envelope.layout import HEADER_BYTES, SEGMENT_BYTES, Header, ciphertext_size, segment_of, segment_start
from gateway.envelope.pieces import Chunk, Transformer
from gateway.envelope.segments import SegmentCipher
from gateway.errors import CiphertextTampered, CiphertextTruncated, RangeNotSatisfiable


@dataclass(frozen=True, slots=True)
class RangePlan:
    """A range of plaintext and where its segments lie, by `plan_range`. Positions count from 0; ends are exclusive."""

    start: int
    end: int
    plaintext_size: int
    """Bytes of the whole object's plaintext."""

    @property
    def size(self) -> int:
        """Bytes of plaintext in the range."""
        return self.end - self.start

    @property
    def first_segment(self) -> int:
        """The index of the segment that holds `start`."""
        return segment_of(self.start)

    @property
    def last_segment(self) -> int:
        """The index of the segment that holds the range's last byte."""
        return segment_of(max(self.start, self.end - 1))

    @property
    def ciphertext_start(self) -> int:
        """Where the first segment starts. For segment 0 that is right behind the header: one read can fetch both."""
        return max(HEADER_BYTES, self.first_segment * SEGMENT_BYTES)

    @property
    def ciphertext_end(self) -> int:
        """Where the last segment ends."""
        return min(ciphertext_size(self.plaintext_size), (self.last_segment + 1) * SEGMENT_BYTES)

    @property
    def ciphertext_size(self) -> int:
        """Bytes of ciphertext to fetch, besides the header."""
        return self.ciphertext_end - self.ciphertext_start

    @property
    def skip(self) -> int:
        """Bytes of plaintext in the first segment that come before the range."""
        return self.start - segment_start(self.first_segment)

    @property
    def reaches_end(self) -> bool:
        """Whether the range's last segment is the object's last."""
        return self.ciphertext_end == ciphertext_size(self.plaintext_size)


def plan_range(start: int, end: int, plaintext_size: int) -> RangePlan:
    """Plan the read of plaintext bytes `start` (inclusive) to `end` (exclusive, brought down to the object's size).

    >>> plan = plan_range(1_500_000, 1_500_010, 5_000_000)
    >>> plan.ciphertext_start, plan.ciphertext_size, plan.skip
    (1048576, 1048576, 451480)

    Raises:
        RangeNotSatisfiable: it has no byte of the object; only an empty object has an empty range, from 0 to 0.
    """
    end = min(end, plaintext_size)
    if not 0 <= start < end and (start, end, plaintext_size) != (0, 0, 0):
        raise RangeNotSatisfiable(f"A file of {plaintext_size:,} bytes has no bytes from {start:,} to {end:,}.")
    return RangePlan(start, end, plaintext_size)


class RangeDecryptor(Transformer):
    """Takes the ciphertext that a plan asks for, in chunks of any size, and gives exactly the range's plaintext.

    It knows by the plan which segment is the object's last: a range that reaches the end notices an object cut short.

    >>> from gateway.envelope import seal
    >>> ciphertext, plan = seal(bytes(32), b"handwritten digits"), plan_range(4, 11, 18)
    >>> decryptor = RangeDecryptor(bytes(32), ciphertext[:HEADER_BYTES], plan)
    >>> decryptor.update(ciphertext[plan.ciphertext_start : plan.ciphertext_end]), decryptor.finalize()
    ([], [b'written'])

    Raises:
        WrongKey: `object_key` does not have 32 bytes.
        CiphertextTruncated: `header` is short; from `finalize`: ciphertext is missing.
        CiphertextTampered: `header` is none; from `update` or `finalize`: the ciphertext is not what was written.
    """

    def __init__(self, object_key: bytes, header: bytes, plan: RangePlan) -> None:
        first_piece = SEGMENT_BYTES - plan.ciphertext_start % SEGMENT_BYTES
        super().__init__(first_piece, SEGMENT_BYTES)
        self._cipher = SegmentCipher(object_key, Header.parse(header))
        self._plan = plan
        self._index = plan.first_segment
        self._skip = plan.skip
        self._wanted = plan.size
        self._missing = plan.ciphertext_size

    def _feed(self, data: Chunk) -> Iterator[bytes]:
        self._missing -= memoryview(data).nbytes
        if self._missing < 0:
            self._over = True
            raise CiphertextTampered(f"More came than the {self._plan.ciphertext_size:,} bytes that the range takes.")
        yield from super()._feed(data)

    def finalize(self) -> list[bytes]:
        """Take the end of the ciphertext and return the rest of the range."""
        if self._missing > 0:
            self._over = True
            raise CiphertextTruncated(f"{self._missing:,} of {self._plan.ciphertext_size:,} bytes are missing.")
        return super().finalize()

    def _turn(self, piece: memoryview, *, last: bool) -> list[bytes]:
        plaintext = self._cipher.open(self._index, piece, last=last and self._plan.reaches_end)
        taken = plaintext[self._skip : self._skip + self._wanted]
        self._index += 1
        self._skip = 0
        self._wanted -= len(taken)
        return [taken] if taken else []
