"""An object's ciphertext as it comes from S3: goes on where a connection broke, and renews its link once if refused."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager

from gateway.client.answers import FileLink
from gateway.client.bulk import CHUNK_BYTES, BulkTransport, Span
from gateway.client.fresh import FreshLinks
from gateway.errors import AccessDenied, IntegrityError, ObjectMissing, ObjectMoved, StorageUnavailable

_LOSSES = 4
"""Times that S3 may fail one after the other without a byte in between."""
_PAUSE_SECONDS = 0.2


def fetch(  # noqa: PLR0913 -- from where, and which bytes
    bulk: BulkTransport,
    links: FreshLinks,
    path: str,
    *,
    start: int = 0,
    end: int | None = None,
    key_check: str | None = None,
) -> Iterator[bytes]:
    """Yield the bytes `start` to `end` of the file's object, in chunks.

    Raises:
        what `fetch_into` raises.
    """
    wanted = (links.link(path).ciphertext_size if end is None else end) - start
    buffer = memoryview(bytearray(max(0, min(CHUNK_BYTES, wanted))))
    with closing(fetch_into(buffer, bulk, links, path, start=start, end=end, key_check=key_check)) as chunks:
        for chunk in chunks:
            yield bytes(chunk)


def fetch_into(  # noqa: PLR0913 -- from where, and which bytes
    buffer: memoryview,
    bulk: BulkTransport,
    links: FreshLinks,
    path: str,
    *,
    start: int = 0,
    end: int | None = None,
    key_check: str | None = None,
    check: Callable[[], None] = lambda: None,
) -> Generator[memoryview, None, None]:
    """Yield the same bytes through one buffer: each chunk fills it, but for the last, and stays until the next.

    `check` raises when there is no use in going on; it is called whenever some bytes have come, or none. `key_check` is
    of the key that the bytes will be opened with.

    Raises:
        ObjectMoved: links lead to an object under another key by now.
        what `BulkTransport.reading` raises, after what may be tried again was.
        NotFound: the version was removed meanwhile.
    """
    link = _require_same(links.link(path), key_check)
    end = link.ciphertext_size if end is None else end
    filled, losses, renewed = 0, 0, False
    while start < end:
        try:
            with bulk.reading(link.url, Span(start + filled, end, link.ciphertext_size)) as body:
                while start < end:
                    chunk = buffer[: end - start]
                    while filled < len(chunk):
                        filled += body.readinto(chunk[filled:])
                        losses = 0
                        check()
                    start, filled = start + filled, 0
                    yield chunk
        except StorageUnavailable:
            check()
            losses += 1
            if losses == _LOSSES:
                raise
            time.sleep(_PAUSE_SECONDS * losses)
            link = _require_same(links.link(path), key_check)
        except (AccessDenied, ObjectMissing):
            # Expired while we were at it, revoked, or removed: the gateway decides anew, once.
            if renewed:
                raise
            renewed, link = True, _require_same(links.replace(link), key_check)


def _require_same(link: FileLink, key_check: str | None) -> FileLink:
    if key_check is not None and link.key_check != key_check:
        raise ObjectMoved("The file was encrypted anew meanwhile.", hint="Read it again.")
    return link


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Name the file in errors that arise where only bytes are known."""
    try:
        yield
    except (AccessDenied, IntegrityError, StorageUnavailable) as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error
