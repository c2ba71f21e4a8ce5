"""Decrypts one object as its ciphertext comes. Nothing of a segment is released before all of it has authenticated."""

from collections.abc import Iterator

from gateway.envelope.keycheck import verify_key
from gateway.envelope.layout import HEADER_BYTES, SEGMENT_BYTES, Header, ciphertext_size
from gateway.envelope.pieces import Chunk, Transformer
from gateway.envelope.segments import SegmentCipher
from gateway.errors import CiphertextTampered, CiphertextTruncated


class Decryptor(Transformer):
    """Takes ciphertext in chunks of any size and gives plaintext, a segment at a time.

    With the key check, a wrong key is refused before anything is read. With the plaintext's size, which the manifest
    knows, a cut is told from an alteration wherever it falls; without it, only where it falls between two segments.

    >>> from gateway.envelope import seal
    >>> decryptor = Decryptor(bytes(32), plaintext_size=6)
    >>> decryptor.update(seal(bytes(32), b"digits")), decryptor.finalize()
    ([], [b'digits'])

    Raises:
        WrongKey: `object_key` is not the one of the key check, or does not have 32 bytes.
        CiphertextTruncated: from `update` or `finalize`: the ciphertext ends before its last segment.
        CiphertextTampered: from `update` or `finalize`: it is not what was written.
    """

    def __init__(self, object_key: bytes, *, key_check: str | None = None, plaintext_size: int | None = None) -> None:
        super().__init__(HEADER_BYTES, SEGMENT_BYTES - HEADER_BYTES, SEGMENT_BYTES)
        if key_check is not None:
            verify_key(object_key, key_check)
        self._object_key = object_key
        self._expected = None if plaintext_size is None else ciphertext_size(plaintext_size)
        self._received = 0
        self._cipher: SegmentCipher | None = None
        self._index = 0

    def _feed(self, data: Chunk) -> Iterator[bytes]:
        self._received += memoryview(data).nbytes
        if self._expected is not None and self._received > self._expected:
            self._over = True
            raise CiphertextTampered(f"Bytes follow the ciphertext's end at {self._expected:,} bytes.")
        yield from super()._feed(data)

    def finalize(self) -> list[bytes]:
        """Take the end of the ciphertext and return the plaintext of its last segment."""
        if self._expected is not None and self._received < self._expected:
            self._over = True
            raise CiphertextTruncated(f"The ciphertext ends after {self._received:,} of {self._expected:,} bytes.")
        return super().finalize()

    def _turn(self, piece: memoryview, *, last: bool) -> list[bytes]:
        if self._cipher is None:
            self._cipher = SegmentCipher(self._object_key, Header.parse(piece))
            if last:
                raise CiphertextTruncated("The ciphertext ends after its header.")
            return []
        plaintext = self._cipher.open(self._index, piece, last=last)
        self._index += 1
        return [plaintext] if plaintext else []
