"""Seals and opens single segments under the key that one object's header derives. Every segment authenticates alone."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.envelope.keycheck import KEY_BYTES
from gateway.envelope.layout import SEGMENT_BYTES, TAG_BYTES, Header
from gateway.errors import CiphertextTampered, CiphertextTruncated, IntegrityError, WrongKey

# glibc returns the top of the heap to the kernel whenever twice the largest block that was ever freed lies free there:
# with segments of 1 MiB at nearly every one, and the kernel clears the pages anew each time (a third of our speed).
# Freeing one larger block raises that limit; nothing touches it, so it costs no memory (mallopt(3), M_MMAP_THRESHOLD).
bytes(8 * SEGMENT_BYTES)


class SegmentCipher:
    """AES-256-GCM over the segments of one object. Its `AESGCM` holds no state between calls: threads may share it."""

    def __init__(self, object_key: bytes, header: Header) -> None:
        if len(object_key) != KEY_BYTES:
            raise WrongKey(f"An object key has {KEY_BYTES} bytes, not {len(object_key)}.")
        # The fresh salt gives each object its own key, so that its nonces can never meet another object's.
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=header.salt, info=b"").derive(object_key)
        self._aead = AESGCM(derived)
        self._header = header

    def seal(self, index: int, plaintext: bytes | memoryview, *, last: bool) -> bytes:
        """Return the segment's ciphertext and tag.

        Raises:
            TooLarge: the format has no such segment.
        """
        return self._aead.encrypt(self._header.nonce(index, last=last), plaintext, None)

    def open(self, index: int, ciphertext: bytes | memoryview, *, last: bool) -> bytes:
        """Return the segment's plaintext.

        Raises:
            CiphertextTruncated: it is the last that came, and authenticates as one that others follow.
            CiphertextTampered: it does not authenticate in this place.
        """
        try:
            return self._aead.decrypt(self._header.nonce(index, last=last), ciphertext, None)
        except InvalidTag as error:
            raise self._failure(index, ciphertext, last=last) from error

    def seal_into(self, index: int, plaintext: memoryview, buffer: memoryview, *, last: bool) -> memoryview:
        """Seal like `seal`, into the front of `buffer`, and return that part of it."""
        sealed = buffer[: len(plaintext) + TAG_BYTES]
        self._aead.encrypt_into(self._header.nonce(index, last=last), plaintext, None, sealed)
        return sealed

    def open_into(self, index: int, ciphertext: memoryview, buffer: memoryview, *, last: bool) -> memoryview:
        """Open like `open`, into the front of `buffer`, and return that part of it. Raises what `open` does."""
        opened = buffer[: max(0, len(ciphertext) - TAG_BYTES)]
        try:
            self._aead.decrypt_into(self._header.nonce(index, last=last), ciphertext, None, opened)
        except InvalidTag as error:
            raise self._failure(index, ciphertext, last=last) from error
        return opened

    def _failure(self, index: int, ciphertext: bytes | memoryview, *, last: bool) -> IntegrityError:
        """Say what a segment that does not authenticate suffers from, as far as it can be known."""
        if self._authenticates(index, ciphertext, last=not last):
            if last:
                return CiphertextTruncated(f"The ciphertext ends after segment {index}, which is not its last.")
            return CiphertextTampered(f"Bytes follow segment {index}, which is the last of the ciphertext.")
        if index == 0:
            return CiphertextTampered(
                "Segment 0 does not authenticate: it or its header was altered, or the object key is another's.",
                hint="Compare the object key with its key check.",
            )
        return CiphertextTampered(f"Segment {index} does not authenticate: altered, cut short, or out of its place.")

    def _authenticates(self, index: int, ciphertext: bytes | memoryview, *, last: bool) -> bool:
        try:
            self._aead.decrypt(self._header.nonce(index, last=last), ciphertext, None)
        except InvalidTag:
            return False
        return True
