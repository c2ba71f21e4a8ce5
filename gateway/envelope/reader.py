"""A seekable file over an encrypted object. Decrypts only the segments that are read, and keeps the last one."""

import io
from collections.abc import Callable, Iterator

from gateway.envelope.keycheck import verify_key
from gateway.envelope.layout import HEADER_BYTES, segment_of, segment_start
from gateway.envelope.ranges import RangeDecryptor, plan_range

ReadAt = Callable[[int, int], bytes]
"""Returns `size` bytes of ciphertext from `offset`: `read_at(offset, size)`."""


class Reader(io.RawIOBase):
    """Reads the plaintext of an object whose ciphertext `read_at` fetches. A read is whole, except at the end.

    >>> from gateway.envelope import seal
    >>> ciphertext = seal(bytes(32), b"handwritten digits")
    >>> reader = Reader(bytes(32), lambda offset, size: ciphertext[offset : offset + size], plaintext_size=18)
    >>> reader.seek(-6, io.SEEK_END), reader.read()
    (12, b'digits')

    Raises:
        WrongKey: the object key is not the one of the key check.
        CiphertextTruncated: from a read: ciphertext is missing.
        CiphertextTampered: from a read: the ciphertext is not what was written.
    """

    def __init__(
        self, object_key: bytes, read_at: ReadAt, *, plaintext_size: int, key_check: str | None = None
    ) -> None:
        super().__init__()
        if key_check is not None:
            verify_key(object_key, key_check)
        self._object_key = object_key
        self._read_at = read_at
        self._size = plaintext_size
        self._position = 0
        self._header = b""
        self._segment = (-1, b"")
        """The index and plaintext of the last segment that was read alone."""

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def tell(self) -> int:
        """Return the position in the plaintext."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position in the plaintext, possibly past its end, and return it.

        Raises:
            ValueError: the position is negative, or `whence` unknown.
        """
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        if whence not in origins or origins[whence] + offset < 0:
            raise ValueError(f"There is no position {offset} from {whence}.")
        self._position = origins[whence] + offset
        return self._position

    def readall(self) -> bytes:
        """Return everything from the position to the end."""
        return self.read(max(0, self._size - self._position)) or b""

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed: any buffer
        """Fill the buffer as far as the object reaches, and return the bytes read."""
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._size)
        filled = 0
        for piece in self._pieces(self._position, end) if self._position < end else ():
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
        self._position += filled
        return filled

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        index = segment_of(start)
        if index != segment_of(end - 1):
            yield from self._decrypt(start, end)
            return
        # Formats like Parquet read near again and again: the whole segment is decrypted anyway.
        base = segment_start(index)
        if self._segment[0] != index:
            self._segment = (index, b"".join(self._decrypt(base, segment_start(index + 1))))
        yield self._segment[1][start - base : end - base]

    def _decrypt(self, start: int, end: int) -> Iterator[bytes]:
        self._header = self._header or self._read_at(0, HEADER_BYTES)
        plan = plan_range(start, end, self._size)
        decryptor = RangeDecryptor(self._object_key, self._header, plan)
        yield from decryptor.update(self._read_at(plan.ciphertext_start, plan.ciphertext_size))
        yield from decryptor.finalize()
