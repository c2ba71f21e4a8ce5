"""Files to list, and a page store in memory that also counts."""

import hashlib

import pytest

from gateway.errors import IntegrityError
from gateway.model import FileEntry


class PagesInMemory:
    """`ports.PageStore`, which also says what was asked of it."""

    def __init__(self):
        self.stored = {}
        self.asked_for = []

    async def get(self, digest):
        self.asked_for.append(digest)
        page = self.stored[digest]
        if hashlib.sha256(page).hexdigest() != digest:
            raise IntegrityError("altered")
        return page

    async def put(self, page):
        digest = hashlib.sha256(page).hexdigest()
        self.stored[digest] = page
        return digest


@pytest.fixture
def pages():
    return PagesInMemory()


@pytest.fixture(scope="session")
def entry():
    def make(path, content="content"):
        digest = hashlib.sha256(f"{path} {content}".encode()).hexdigest()
        return FileEntry(path, len(content), digest, f"{'0' * 32}/1", 1, digest[:32])

    return make
