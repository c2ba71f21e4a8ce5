"""Files to list, and packs in memory that also count."""

import hashlib

import pytest

from gateway.catalog.cache import PageCache, Pages
from gateway.errors import IntegrityError
from gateway.model import FileEntry


class PacksInMemory:
    """`ports.PackStore`, which also says what was asked of it."""

    def __init__(self):
        self.stored = {}
        self.asked_for = []

    async def get(self, pack):
        self.asked_for.append(pack)
        content = self.stored[pack]
        if hashlib.sha256(content).hexdigest() != pack.rpartition("/")[2]:
            raise IntegrityError("altered")
        return content

    async def put(self, pack, content):
        self.stored[pack] = content


class CountedPages(Pages):
    """`Pages` without a memory, which say which pages were asked of them."""

    def __init__(self, packs):
        super().__init__(packs, PageCache(page_bytes=0, pack_bytes=0))
        self.loaded = []

    async def load(self, child):
        self.loaded.append(child.digest)
        return await super().load(child)


@pytest.fixture
def packs():
    return PacksInMemory()


@pytest.fixture
def pages(packs):
    return CountedPages(packs)


@pytest.fixture(scope="session")
def push_id():
    return "0f" * 16


@pytest.fixture(scope="session")
def entry():
    def make(path, content="content"):
        digest = hashlib.sha256(f"{path} {content}".encode()).hexdigest()
        return FileEntry(path, len(content), digest, f"{'0' * 32}/1", 1, digest[:32])

    return make
