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
from gateway.errors import CiphertextTampered


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

        Raises:
            WrongKey: before anything is read.
            CiphertextTampered, CiphertextTruncated: a segment is not what was written; nothing of it is released.
            what `fetch_into` raises.
        """
        link = links.link(path)
        key, size = key_of(link), ciphertext_size(link.file.size)
        verify_key(key, link.key_check)
        if link.ciphertext_size != size:
            raise CiphertextTampered(f"{link.ciphertext_size:,} bytes are no ciphertext of {link.file.size:,}.")
        last = segment_count(link.file.size) - 1
        cipher = SegmentCipher(key, self._header(links, path)) if start else None
        until = size if end is None else min(size, end * SEGMENT_BYTES)
        buffer, begin = self._buffers.ciphertext, start * SEGMENT_BYTES
        with closing(fetch_into(buffer, self._bulk, links, path, start=begin, end=until, check=self._check)) as chunks:
            for index, chunk in enumerate(chunks, start):
                if cipher is None:
                    cipher, sealed = SegmentCipher(key, Header.parse(chunk)), chunk[HEADER_BYTES:]
                else:
                    sealed = chunk
                yield index, cipher.open_into(index, sealed, self._buffers.plaintext, last=index == last)

    def _header(self, links: FreshLinks, path: str) -> Header:
        return Header.parse(b"".join(fetch(self._bulk, links, path, end=HEADER_BYTES)))
