"""Compresses packs for storage. Digests are taken before this, so none ever depends on a compressor's version."""

import zstandard

from gateway.catalog.places import MAX_PACK_BYTES
from gateway.errors import IntegrityError

_LEVEL = 3
"""zstd's own default: hashes do not compress, and higher levels only make paths a little smaller."""


def pack(content: bytes) -> bytes:
    """Return a pack as one zstd frame (RFC 8878) that states its content's size."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(content)


def unpack(packed: bytes) -> bytes:
    """Return what was packed. Its digest is for the caller to check.

    >>> unpack(pack(b"pages"))
    b'pages'

    Raises:
        IntegrityError: it is no single whole frame, or it would unpack to more than a pack may have.
    """
    try:
        # The frame's own word on its size is checked before anything of that size is allocated.
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= MAX_PACK_BYTES:
            raise IntegrityError(f"A pack of manifest pages states a size of {size:,} bytes, over {MAX_PACK_BYTES:,}.")
        return zstandard.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise IntegrityError(f"A pack of manifest pages does not unpack: {error}.") from error
