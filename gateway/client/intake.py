"""A file's plaintext, segment by segment, through buffers that each thread has once and uses again and again."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing

from gateway.client.bulk import BulkTransport
from gateway.client.ciphertext import fetch, fetch_into
from gateway.client.fresh import FreshLinks, key_of
from gateway.envelope import HEADER_BYTES, SEGMENT_BYTES, ciphertext_size, verify_key
from gateway.envelope.layout import Header, segment_count
from gateway.envelope.segments import SegmentCipher
from gateway.errors import CiphertextTampered, ObjectMoved

_MOVES = 3
"""Times that a file may move to another key while it is read once: it moves once in months."""


class Buffers(threading.local):
    """One thread's own."""

    def __init__(self) -> None:
        self.ciphertext = memoryview(bytearray(SEGMENT_BYTES))
        self.plaintext = memoryview(bytearray(SEGMENT_BYTES))


class Intake:
    """Fetches and opens the segments of files, until `check` raises. Threads may share it."""

    def __init__(self, bulk: BulkTransport, *, check: Callable[[], None]) -> None:
        self._bulk = bulk
        self._check = check
        self._buffers = Buffers()

    def segments(
        self, links: FreshLinks, path: str, *, start: int = 0, end: int | None = None
    ) -> Generator[tuple[int, memoryview], None, None]:
        """Yield index and plaintext of the file's segments from `start` to before `end`. Each stays until the next.

        A file that is encrypted anew meanwhile is read on where it was: its segments hold the same plaintext.

        Raises:
            WrongKey: before anything is read.
            CiphertextTampered, CiphertextTruncated: a segment is not what was written; nothing of it is released.
            what `fetch_into` raises.
        """
        for _ in range(_MOVES):
            try:
                for index, plaintext in self._under_one_key(links, path, start=start, end=end):
                    yield index, plaintext
                    start = index + 1
            except ObjectMoved:
                continue
            return
        raise ObjectMoved(f"The file was encrypted anew {_MOVES} times while it was read.", hint="Read it again.")

    def _under_one_key(
        self, links: FreshLinks, path: str, *, start: int, end: int | None
    ) -> Generator[tuple[int, memoryview], None, None]:
        link = links.link(path)
        key, size = key_of(link), ciphertext_size(link.file.size)
        verify_key(key, link.key_check)
        if link.ciphertext_size != size:
            raise CiphertextTampered(f"{link.ciphertext_size:,} bytes are no ciphertext of {link.file.size:,}.")
        last = segment_count(link.file.size) - 1
        if start > last:
            return  # all was read before it moved
        cipher = SegmentCipher(key, self._header(links, path, link.key_check)) if start else None
        until = size if end is None else min(size, end * SEGMENT_BYTES)
        buffer, begin = self._buffers.ciphertext, start * SEGMENT_BYTES
        chunks = fetch_into(
            buffer, self._bulk, links, path, start=begin, end=until, key_check=link.key_check, check=self._check
        )
        with closing(chunks):
            for index, chunk in enumerate(chunks, start):
                if cipher is None:
                    cipher, sealed = SegmentCipher(key, Header.parse(chunk)), chunk[HEADER_BYTES:]
                else:
                    sealed = chunk
                yield index, cipher.open_into(index, sealed, self._buffers.plaintext, last=index == last)

    def _header(self, links: FreshLinks, path: str, key_check: str) -> Header:
        return Header.parse(b"".join(fetch(self._bulk, links, path, end=HEADER_BYTES, key_check=key_check)))
