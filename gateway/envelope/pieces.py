"""Cuts a stream into pieces of set sizes and passes each on, knowing which is the last. No I/O: bytes in, bytes out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain, repeat

from gateway.envelope.layout import SEGMENT_BYTES

Chunk = bytes | bytearray | memoryview


class Cutter:
    """Cuts chunks of any size into pieces of the given sizes; the last size repeats.

    A piece that lies whole within one immutable chunk is a view of it; any other is gathered in one of two buffers,
    which take turns. So a piece keeps its bytes until the piece after the next is cut, and memory stays constant.
    """

    def __init__(self, *sizes: int) -> None:
        self._sizes = chain(sizes, repeat(sizes[-1]))
        self._wanted = next(self._sizes)
        self._filled = 0
        self._buffer = self._spare = memoryview(b"")

    def cut(self, chunk: Chunk) -> Iterator[memoryview]:
        """Yield the pieces that the chunk completes, and keep what is left over."""
        view = memoryview(chunk).cast("B")
        while len(view) >= (missing := self._wanted - self._filled):
            part, view = view[:missing], view[missing:]
            piece = part if not self._filled and isinstance(part.obj, bytes) else self._gather(part)
            self._next_piece()
            yield piece
        if view:
            self._gather(view)

    def rest(self) -> memoryview:
        """Return the bytes that no piece has had."""
        return self._buffer[: self._filled]

    def _gather(self, part: memoryview) -> memoryview:
        if not self._buffer:
            self._buffer = memoryview(bytearray(SEGMENT_BYTES))
        self._buffer[self._filled : self._filled + len(part)] = part
        self._filled += len(part)
        return self._buffer[: self._filled]

    def _next_piece(self) -> None:
        if self._filled:
            self._buffer, self._spare = self._spare, self._buffer
        self._filled = 0
        self._wanted = next(self._sizes)


class Transformer(ABC):
    """Turns one stream into another: `update` as often as there is data, then `finalize` once.

    Each piece is held back until it is known whether another follows. After `finalize`, or a failure, nothing more
    is taken.
    """

    def __init__(self, *sizes: int) -> None:
        self._cutter = Cutter(*sizes)
        self._held: memoryview | None = None
        self._over = False

    def update(self, data: Chunk) -> list[bytes]:
        """Take more of the stream and return what can be released of its other form.

        Raises:
            ValueError: the stream has ended already, or failed.
        """
        return list(self._feed(data))

    def finalize(self) -> list[bytes]:
        """Take the end of the stream and return the rest of its other form.

        Raises:
            ValueError: the stream has ended already, or failed.
        """
        self._begin()
        pieces = [piece for piece in (self._held, self._cutter.rest()) if piece] or [memoryview(b"")]
        return [out for n, piece in enumerate(pieces, 1) for out in self._turn(piece, last=n == len(pieces))]

    def run(self, chunks: Iterable[Chunk]) -> Iterator[bytes]:
        """Take a whole stream and yield its other form, holding two segments of it, however large a chunk is.

        Raises:
            ValueError: the stream has ended already, or failed.
        """
        for chunk in chunks:
            yield from self._feed(chunk)
        yield from self.finalize()

    def _feed(self, data: Chunk) -> Iterator[bytes]:
        self._begin()
        for piece in self._cutter.cut(data):
            yield from self._release()
            self._held = piece
        if self._cutter.rest():
            yield from self._release()
        self._over = False

    def _release(self) -> Iterator[bytes]:
        """Pass on the piece that was held back, now that something follows it."""
        if self._held is not None:
            held, self._held = self._held, None
            yield from self._turn(held, last=False)

    def _begin(self) -> None:
        if self._over:
            raise ValueError("This stream has ended or failed: it takes nothing more.")
        self._over = True  # until the call has succeeded

    @abstractmethod
    def _turn(self, piece: memoryview, *, last: bool) -> Iterable[bytes]:
        """Return the piece's other form."""
