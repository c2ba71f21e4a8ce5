"""An object's ciphertext as it comes from S3: goes on where a connection broke, and renews its link once if refused."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.client.bulk import BulkTransport, Span
from gateway.client.fresh import FreshLinks
from gateway.errors import AccessDenied, IntegrityError, StorageUnavailable

_LOSSES = 4
"""Times that S3 may fail one after the other without a byte in between."""
_PAUSE_SECONDS = 0.2


def fetch(
    bulk: BulkTransport, links: FreshLinks, path: str, *, start: int = 0, end: int | None = None
) -> Iterator[bytes]:
    """Yield the bytes `start` to `end` of the file's object, in chunks.

    Raises:
        what `BulkTransport.get` raises, after what may be tried again was.
    """
    link = links.link(path)
    end = link.ciphertext_size if end is None else end
    position, losses, renewed = start, 0, False
    while position < end:
        try:
            for chunk in bulk.get(link.url, Span(position, end, link.ciphertext_size)):
                position += len(chunk)
                losses = 0
                yield chunk
        except StorageUnavailable:
            losses += 1
            if losses == _LOSSES:
                raise
            time.sleep(_PAUSE_SECONDS * losses)
            link = links.link(path)
        except AccessDenied:
            # Expired while we were at it, or revoked: the gateway decides anew, once.
            if renewed:
                raise
            renewed, link = True, links.replace(link)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Name the file in errors that arise where only bytes are known."""
    try:
        yield
    except (AccessDenied, IntegrityError, StorageUnavailable) as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error
