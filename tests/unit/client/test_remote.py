import io
import os
import zipfile
from contextlib import ExitStack

import pytest

from gateway.client import DiskCache, Gateway, StaticToken
from gateway.errors import CiphertextTampered, ContentMismatch, InvalidPath, UnknownPath, WrongKey
from gateway.model import LinkMode

NAME = "dataset/vision/digits"
SEGMENT = 1 << 20


def test_a_wrong_key_is_refused_at_the_opening(sim, gateway):
    sim.publish(NAME, {"a.bin": b"x"})
    sim.given_keys[sim.versions[NAME][0]["a.bin"].object] = bytes(32)
    with pytest.raises(WrongKey, match=r"^a\.bin: "):
        gateway.open(f"{NAME}/a.bin")


def test_a_spoilt_segment_is_refused_and_the_others_read(sim, gateway):
    content = os.urandom(3 * SEGMENT)
    sim.publish(NAME, {"a.bin": content})
    at = SEGMENT + 500
    sim.spoil(NAME, "a.bin", lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with gateway.open(f"{NAME}/a.bin", buffer_bytes=1) as file:
        assert file.read(100) == content[:100]
        file.seek(SEGMENT + 100)
        with pytest.raises(CiphertextTampered, match=r"^a\.bin: Segment 1"):
            file.read(100)


def test_the_end_of_reading_proves_the_whole(sim, gateway):
    sim.publish(NAME, {"a.bin": b"right"})
    sim.store(b"wrong", sim.versions[NAME][0]["a.bin"].object)
    pieces = gateway.read(f"{NAME}/a.bin")
    assert next(pieces) == b"wrong"
    with pytest.raises(ContentMismatch):
        next(pieces)


def test_a_version_is_no_file(gateway):
    with pytest.raises(InvalidPath, match="names no file"):
        gateway.open(NAME)


def test_an_unknown_file_is_named(sim, gateway):
    sim.publish(NAME, {"a.bin": b"x"})
    with pytest.raises(UnknownPath, match=r"b\.bin"):
        gateway.open(f"{NAME}/b.bin")


def test_only_what_is_read_is_fetched(sim, gateway):
    content = os.urandom(5 * SEGMENT)
    sim.publish(NAME, {"a.bin": content})
    with gateway.open(f"{NAME}/a.bin", buffer_bytes=4096) as file:
        assert file.seek(-10, io.SEEK_END) == len(content) - 10
        assert file.read() == content[-10:]
    assert sim.asked("GET", "^/s3/") == 2  # the header and one segment


def test_libraries_read_it_as_any_file(sim, gateway):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.txt", "digits")
    sim.publish(NAME, {"a.zip": packed.getvalue()})
    with gateway.open(f"{NAME}/a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("inside.txt") == b"digits"


def test_a_link_has_what_opens_it_only_if_it_is_direct(sim, gateway):
    sim.publish(NAME, {"a.bin": b"x"})
    direct = gateway.link(f"{NAME}/a.bin", mode=LinkMode.DIRECT)
    stream = gateway.link(f"{NAME}/a.bin")
    assert (len(direct.object_key), stream.object_key) == (32, None)
    assert "signature" not in repr(direct)
    assert "object_key" not in repr(direct)


class TestCached:
    """A second reader, in another process or run, fetches nothing that the first one has."""

    @pytest.fixture
    def reading(self, gateway, tmp_path):
        with ExitStack() as opened:

            def open_file():
                token = StaticToken("made-up-token")
                other = opened.enter_context(Gateway(gateway.url, token_source=token, cache=DiskCache(tmp_path)))
                return other.content(other.snapshot(NAME), "a.bin").read

            yield open_file

    def test_a_spoilt_entry_is_fetched_again(self, sim, reading, tmp_path):
        content = os.urandom(3 * SEGMENT)
        sim.publish(NAME, {"a.bin": content})
        assert reading()(0, 3 * SEGMENT) == content
        for entry in tmp_path.rglob("*/*"):
            if entry.stat().st_size == SEGMENT:
                entry.write_bytes(bytes(SEGMENT))
        assert reading()(0, 3 * SEGMENT) == content
        before = sim.asked("GET", "^/s3/")
        assert reading()(0, 3 * SEGMENT) == content
        assert sim.asked("GET", "^/s3/") == before

    def test_what_s3_has_spoilt_is_not_kept(self, sim, reading, tmp_path):
        content = os.urandom(2 * SEGMENT)
        sim.publish(NAME, {"a.bin": content})
        before = sim.objects.copy()
        sim.spoil(NAME, "a.bin", lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:])
        with pytest.raises(CiphertextTampered):
            reading()(0, 10)
        sim.objects.update(before)
        assert reading()(0, 10) == content[:10]

    def test_nothing_is_readable_on_the_disk(self, sim, reading, tmp_path):
        sim.publish(NAME, {"a.bin": b"digits" * 1000})
        assert reading()(0, 6000) == b"digits" * 1000
        assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"digits" in file.read_bytes()]

    def test_each_segment_is_fetched_once_and_the_gateway_asked_each_time(self, sim, reading):
        content = os.urandom(4 * SEGMENT)
        sim.publish(NAME, {"a.bin": content})
        assert reading()(SEGMENT + 10, SEGMENT + 20) == content[SEGMENT + 10 : SEGMENT + 20]
        assert reading()(0, 4 * SEGMENT) == content  # what lies before and behind
        asked, links = sim.asked("GET", "^/s3/"), sim.asked("POST", "links$")
        assert reading()(2 * SEGMENT, 3 * SEGMENT) == content[2 * SEGMENT : 3 * SEGMENT]
        assert sim.asked("GET", "^/s3/") == asked
        assert sim.asked("POST", "links$") > links

    def test_a_second_pull_fetches_nothing(self, sim, gateway, tmp_path, monkeypatch):
        files = {"long": os.urandom(12 * SEGMENT), "short": b"x", "empty": b""}
        sim.publish(NAME, files)
        monkeypatch.setenv("GATEWAY_CACHE", str(tmp_path / "cache"))
        for folder in ("first", "second"):
            with Gateway(gateway.url, token_source=StaticToken("made-up-token")) as cached:
                cached.pull(NAME, tmp_path / folder)
            pulled = {name: (tmp_path / folder / name).read_bytes() for name in files}
            assert pulled == files
            if folder == "first":
                asked = sim.asked("GET", "^/s3/")
        assert sim.asked("GET", "^/s3/") == asked
