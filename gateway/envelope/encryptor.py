"""Encrypts one object as its plaintext comes. Each encryptor has a header of its own: no nonce is used twice."""

import os

from gateway.envelope.layout import FIRST_PLAINTEXT_BYTES, REST_PLAINTEXT_BYTES, Header, Randomness
from gateway.envelope.pieces import Transformer
from gateway.envelope.segments import SegmentCipher


class Encryptor(Transformer):
    """Takes plaintext in chunks of any size and gives ciphertext, a segment at a time.

    >>> encryptor = Encryptor(bytes(32))
    >>> ciphertext = b"".join([*encryptor.update(b"digits"), *encryptor.finalize()])
    >>> len(ciphertext)
    62

    Raises:
        WrongKey: `object_key` does not have 32 bytes.
        TooLarge: from `update`, after 2**32 segments.
    """

    def __init__(self, object_key: bytes, *, randomness: Randomness = os.urandom) -> None:
        super().__init__(FIRST_PLAINTEXT_BYTES, REST_PLAINTEXT_BYTES)
        self._header = Header.generate(randomness)
        self._cipher = SegmentCipher(object_key, self._header)
        self._index = 0

    def _turn(self, piece: memoryview, *, last: bool) -> list[bytes]:
        sealed = self._cipher.seal(self._index, piece, last=last)
        self._index += 1
        return [sealed] if self._index > 1 else [bytes(self._header), sealed]
