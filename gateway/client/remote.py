"""An object's plaintext at any place, without being pulled: only the segments that are touched are fetched."""

import io
from collections.abc import Iterator
from itertools import chain

from gateway.client.bulk import BulkTransport
from gateway.client.cache import DiskCache
from gateway.client.ciphertext import fetch, naming
from gateway.client.fresh import FreshLinks, key_of
from gateway.client.readahead import ReadAhead
from gateway.envelope import HEADER_BYTES, SEGMENT_BYTES, RangeDecryptor, RangePlan, plan_range, verify_key
from gateway.envelope.pieces import Chunk, Cutter
from gateway.errors import IntegrityError, ObjectMoved


class RemoteObject:
    """One file's bytes. Threads may share it; it keeps none of them, but for what the cache on disk keeps.

    Raises:
        WrongKey: the key is not the one that encrypted this object.
    """

    def __init__(self, bulk: BulkTransport, links: FreshLinks, path: str, cache: DiskCache | None = None) -> None:
        self.file = links.link(path).file
        """What the version says of it."""
        self._bulk = bulk
        self._links = links
        self._cache = cache
        self._begin()

    def _begin(self) -> None:
        """Take the object as it is at this moment."""
        link = self._links.link(self.file.path)
        key = key_of(link)
        with naming(self.file.path):
            verify_key(key, link.key_check)
        self._key, self._key_check, self._size = key, link.key_check, link.ciphertext_size
        # An object is written once, and its key is its own: the key's check names the ciphertext.
        self._name = f"{link.key_check} {self._size}"
        self._header = b""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes `start` (inclusive) to `end` (exclusive), as far as there are any.

        What the cache has spoilt is dropped, and fetched once more. If it was encrypted anew meanwhile, it is read
        under its new key from now on.

        Raises:
            IntegrityError: the ciphertext is not what was written.
            AccessDenied, Unavailable: as they say.
        """
        end = min(end, self.file.size)
        if start >= end:
            return b""
        plan = plan_range(start, end, self.file.size)
        name = self._name
        with naming(self.file.path):
            try:
                return self._decrypt(plan)
            except ObjectMoved:
                self._begin()
            except IntegrityError:
                # Another thread may have found it encrypted anew while this one read under the old key.
                if self._cache is None and self._name == name:
                    raise
                self._forget(plan)
            try:
                return self._decrypt(plan)
            except IntegrityError:
                self._forget(plan)
                raise

    def _decrypt(self, plan: RangePlan) -> bytes:
        blocks = self._blocks(plan.first_segment, plan.last_segment)
        first = memoryview(next(blocks))
        if plan.first_segment == 0:
            self._header, first = bytes(first[:HEADER_BYTES]), first[HEADER_BYTES:]
        decryptor = RangeDecryptor(self._key, self._header or self._read_header(), plan)
        return b"".join(decryptor.run(chain([first], blocks)))

    def _read_header(self) -> bytes:
        key = f"{self._name} header"
        self._header = self._cache.get(key) or b"" if self._cache else b""
        if not self._header:
            self._header = b"".join(self._ciphertext(0, HEADER_BYTES))
            if self._cache:
                self._cache.put(key, self._header)
        return self._header

    def _blocks(self, first: int, last: int) -> Iterator[Chunk]:
        """Yield the ciphertext of the segments `first` to `last`; the header comes with the first of all."""
        missing: list[int] = []
        for index in range(first, last + 1):
            kept = self._cache.get(self._entry(index)) if self._cache else None
            if kept is None:
                missing.append(index)
                continue
            yield from self._fetch(missing)
            missing = []
            yield kept
        yield from self._fetch(missing)

    def _fetch(self, indices: list[int]) -> Iterator[Chunk]:
        """Yield neighbours that the cache has not, in one request, and keep them there."""
        if not indices:
            return
        start, end = indices[0] * SEGMENT_BYTES, min((indices[-1] + 1) * SEGMENT_BYTES, self._size)
        cutter, wanted = Cutter(SEGMENT_BYTES), iter(indices)
        for chunk in self._ciphertext(start, end):
            for piece in cutter.cut(chunk):
                yield self._keep(next(wanted), piece)
        if rest := cutter.rest():
            yield self._keep(next(wanted), rest)

    def _ciphertext(self, start: int, end: int) -> Iterator[bytes]:
        return fetch(self._bulk, self._links, self.file.path, start=start, end=end, key_check=self._key_check)

    def _keep(self, index: int, piece: memoryview) -> memoryview:
        if self._cache:
            self._cache.put(self._entry(index), piece)
        return piece

    def _forget(self, plan: RangePlan) -> None:
        if self._cache is None:
            return
        self._header = b""
        self._cache.forget(f"{self._name} header")
        for index in range(plan.first_segment, plan.last_segment + 1):
            self._cache.forget(self._entry(index))

    def _entry(self, index: int) -> str:
        return f"{self._name} segment {index}"


class SeekableFile(io.RawIOBase):
    """A remote object as a seekable file. Who reads on and on finds the next bytes fetched already."""

    def __init__(self, content: RemoteObject) -> None:
        super().__init__()
        self._content = ReadAhead(content.read, content.file.size)
        self._size = content.file.size
        self._position = 0

    def close(self) -> None:
        """Stop reading ahead."""
        if not self.closed:
            self._content.close()
        super().close()

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position, possibly past the end, and return it.

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
        """Fill the buffer as far as the file reaches, and return the bytes read."""
        view = memoryview(buffer).cast("B")
        data = self._content.read(self._position, self._position + len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
