"""A file of a version, open for reading at any place without being pulled."""

import io

from gateway.client.answers import RemoteFile
from gateway.client.bulk import BulkTransport
from gateway.client.ciphertext import fetch, naming
from gateway.client.fresh import FreshLinks
from gateway.client.pull import key_of
from gateway.envelope import Reader


class _NamedReader(Reader):
    """A reader whose errors name the file."""

    path = ""

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed: any buffer
        """Fill the buffer as far as the file reaches, and return the bytes read."""
        with naming(self.path):
            return super().readinto(buffer)


def open_remote(bulk: BulkTransport, links: FreshLinks, file: RemoteFile) -> io.RawIOBase:
    """Return a seekable file. Each read fetches and authenticates the segments it touches, and no others.

    Raises:
        WrongKey: the key is not the one that encrypted this object.
    """

    def read_at(offset: int, size: int) -> bytes:
        return b"".join(fetch(bulk, links, file.path, start=offset, end=offset + size))

    link = links.link(file.path)
    with naming(file.path):
        reader = _NamedReader(key_of(link), read_at, plaintext_size=file.size, key_check=link.key_check)
    reader.path = file.path
    return reader
