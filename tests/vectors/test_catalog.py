"""The manifest format against vectors that were made from its specification alone."""

import hashlib
import json
from pathlib import Path

import pytest

from gateway.catalog.builder import build
from gateway.catalog.page import Child, Index, Leaf, decode, encode
from gateway.errors import IntegrityError
from gateway.model import FileEntry

FOLDER = Path(__file__).parent / "catalog"


def load(name):
    return [pytest.param(vector, id=str(vector.get("name"))) for vector in json.loads((FOLDER / name).read_text())]


def page_of(vector):
    if "entries" in vector:
        return Leaf(tuple(FileEntry(**row) for row in vector["entries"]))
    return Index(tuple(Child(**row) for row in vector["children"]))


@pytest.mark.parametrize("vector", load("refused_pages.json"))
def test_bytes_with_one_fault_are_no_page(vector):
    with pytest.raises(IntegrityError):
        decode(bytes.fromhex(vector["bytes"]))


@pytest.mark.parametrize("vector", load("pages.json"))
def test_pages_have_the_specified_bytes(vector):
    encoded = bytes.fromhex(vector["bytes"])
    assert encode(page_of(vector)) == encoded
    assert decode(encoded) == page_of(vector)
    assert hashlib.sha256(encoded).hexdigest() == vector["sha256"]


@pytest.mark.anyio
@pytest.mark.parametrize("vector", json.loads((FOLDER / "manifests.json").read_text()), ids=lambda v: str(v["files"]))
async def test_manifests_have_the_specified_pages(vector):
    class Packs:
        async def put(self, pack, content):
            """Forget it: the digest is what this is about."""

    files = map(described_file, range(vector["files"]))
    built = await build(files, Packs(), push_id="0f" * 16)
    root = built.root
    assert (root.digest, root.file_count, root.total_bytes) == (
        vector["digest"],
        vector["files"],
        vector["total_bytes"],
    )
    assert built.pages_added == vector["pages"]


def described_file(i):
    """Return the file that README.md describes."""
    return FileEntry(
        path=f"train/{i // 1000:04d}/{i:07d}.jpg",
        size=i,
        sha256=hashlib.sha256(f"content {i}".encode()).hexdigest(),
        object_id=f"0123456789abcdef0123456789abcdef/{i}",
        epoch=1 + i % 3,
        key_check=hashlib.sha256(f"check {i}".encode()).hexdigest()[:32],
    )
