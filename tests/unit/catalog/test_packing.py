import pytest
import zstandard

from gateway.catalog.packing import pack, unpack
from gateway.catalog.places import MAX_PACK_BYTES
from gateway.errors import IntegrityError


def test_a_bomb_is_refused_before_it_unpacks():
    with pytest.raises(IntegrityError, match="states a size"):
        unpack(pack(bytes(MAX_PACK_BYTES + 1)))


def test_a_frame_that_hides_its_size_is_refused():
    hidden = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100))
    with pytest.raises(IntegrityError):
        unpack(hidden)


@pytest.mark.parametrize("packed", [b"", b"no zstd frame", pack(b"page")[:-1], pack(b"page") + b"x"])
def test_anything_but_one_whole_frame_is_refused(packed):
    with pytest.raises(IntegrityError):
        unpack(packed)


@pytest.mark.parametrize("page", [b"", b"page", bytes(MAX_PACK_BYTES)])
def test_pages_come_back(page):
    assert unpack(pack(page)) == page
