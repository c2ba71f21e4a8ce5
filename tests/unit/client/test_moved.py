"""A file that the gateway encrypts anew while it is read: readers go on under the new key, and see nothing of it."""

import io
import os

import pytest

from gateway import envelope
from gateway.errors import IntegrityError

NAME = "dataset/vision/digits"
SEGMENT = 1 << 20


def move(sim, path="a.bin", times=1):
    """Do what a re-encryption does, and then drops: the file has another object, under another key."""
    for _ in range(times):
        version = sim.versions[NAME][-1]
        old = version[path].object
        version[path] = sim.store(envelope.open_sealed(sim.keys[old], sim.objects[old]))
        del sim.objects[old]


@pytest.fixture
def content(sim):
    content = os.urandom(20 * SEGMENT + 7)
    sim.publish(NAME, {"a.bin": content})
    return content


def test_an_object_that_is_gone_for_good_is_no_moved_one(sim, gateway, content):
    with gateway.open(f"{NAME}/a.bin", buffer_bytes=1) as file:
        file.read(1)
        sim.objects.clear()
        file.seek(10 * SEGMENT)
        with pytest.raises(IntegrityError):
            file.read(1)


def test_an_open_file_is_read_on(sim, gateway, content):
    with gateway.open(f"{NAME}/a.bin", buffer_bytes=1) as file:
        assert file.read(100) == content[:100]
        move(sim)
        file.seek(-100, io.SEEK_END)
        assert file.read() == content[-100:]
        move(sim)
        file.seek(5 * SEGMENT)
        assert file.read(100) == content[5 * SEGMENT : 5 * SEGMENT + 100]


def test_a_download_goes_on_where_it_was(sim, gateway, content):
    sim.fault("GET", "^/s3/", cut_at=3 * SEGMENT)
    pieces = gateway.read(f"{NAME}/a.bin")
    found = next(pieces)
    move(sim)
    assert found + b"".join(pieces) == content
    assert len({path.partition("?")[0] for method, path in sim.requests if path.startswith("/s3/")}) == 2


def test_a_pull_goes_on_where_it_was(sim, gateway, content, tmp_path):
    sim.fault("GET", "^/s3/", times=2, cut_at=2 * SEGMENT)
    moved = []

    class Once:
        def expect(self, files, size):
            pass

        def moved(self, size):
            if not moved:
                moved.append(move(sim))

        def finished(self, path):
            pass

    report = gateway.pull(NAME, tmp_path, progress=Once())
    assert (report.pulled, (tmp_path / "a.bin").read_bytes()) == (1, content)
