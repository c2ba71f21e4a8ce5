"""Compresses pages for storage. A page's digest is taken before this, so it never depends on a compressor's version."""

import zstandard

from gateway.catalog.page import MAX_PAGE_BYTES
from gateway.errors import IntegrityError

_LEVEL = 3
"""zstd's own default: hashes do not compress, and higher levels only make paths a little smaller."""


def pack(page: bytes) -> bytes:
    """Return the page as one zstd frame (RFC 8878) that states its content's size."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(page)


def unpack(packed: bytes) -> bytes:
    """Return the page that was packed. Its digest is for the caller to check.

    >>> unpack(pack(b"page"))
    b'page'

    Raises:
        IntegrityError: it is no single whole frame, or it would unpack to more than a page may have.
    """
    try:
        # The frame's own word on its size is checked before anything of that size is allocated.
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= MAX_PAGE_BYTES:
            raise IntegrityError(f"A packed manifest page states a size of {size:,} bytes, over {MAX_PAGE_BYTES:,}.")
        return zstandard.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise IntegrityError(f"A packed manifest page does not unpack: {error}.") from error
