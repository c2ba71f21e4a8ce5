import multiprocessing
import os
import stat
import time
from pathlib import Path

import pytest

from gateway.client import DiskCache
from gateway.errors import LocalFileError


def entries(cache):
    return [file for file in Path(cache.folder).rglob("*") if len(file.name) == 64]


def size_on_disk(cache):
    return sum(file.stat().st_size for file in entries(cache))


class TestRefusals:
    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(LocalFileError, match="file/cache cannot be made"):
            DiskCache(tmp_path / "file" / "cache")

    def test_what_is_larger_than_the_bound_is_not_kept(self, tmp_path):
        cache = DiskCache(tmp_path, max_bytes=10)
        cache.put("a", bytes(11))
        assert cache.get("a") is None
        assert entries(cache) == []

    def test_a_full_or_failing_disk_fails_nothing(self, tmp_path):
        cache = DiskCache(tmp_path)
        cache.put("a", b"kept")
        [entry] = entries(cache)
        entry.unlink()
        entry.mkdir()  # reading, replacing and removing it all fail now
        cache.put("a", b"again")
        cache.forget("a")
        assert cache.get("a") is None


def test_nobody_else_may_look_into_it(tmp_path):
    cache = DiskCache(tmp_path / "cache")
    assert stat.S_IMODE((tmp_path / "cache" / "v1").stat().st_mode) == 0o700
    assert cache.get("a") is None


def test_a_second_process_finds_what_the_first_kept(tmp_path):
    DiskCache(tmp_path).put("a", b"content")
    assert DiskCache(tmp_path).get("a") == b"content"


def test_the_first_of_two_with_one_key_stays(tmp_path):
    cache = DiskCache(tmp_path)
    cache.put("a", b"first")
    cache.put("a", b"second")
    assert cache.get("a") == b"first"
    assert size_on_disk(cache) == 5


def test_what_was_forgotten_can_be_kept_again(tmp_path):
    cache = DiskCache(tmp_path)
    cache.put("a", b"spoilt")
    cache.forget("a")
    assert cache.get("a") is None
    cache.put("a", b"right")
    assert cache.get("a") == b"right"


def test_what_was_used_the_longest_time_ago_goes_first(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=100)
    for moment, key in enumerate("abc"):
        cache.put(key, bytes(30))
        os.utime(cache._place(key), (moment, moment))
    assert cache.get("a")  # which counts as use
    cache.put("d", bytes(30))
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]
    assert size_on_disk(cache) <= 100


def test_a_lost_or_spoilt_size_is_counted_anew(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=100)
    cache.put("a", bytes(60))
    (tmp_path / "v1" / "size").write_text("what?")
    cache.put("b", bytes(60))
    assert size_on_disk(cache) == 60


def test_a_process_that_died_while_it_wrote_leaves_nothing(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=100)
    cache.put("a", bytes(60))
    old, new = (entries(cache)[0].with_name(f".draft-{name}") for name in ("old", "new"))
    for draft in (old, new):
        draft.write_bytes(bytes(10))
    os.utime(old, (0, time.time() - 7200))
    cache.put("b", bytes(60))
    assert (old.exists(), new.exists()) == (False, True)


def write(folder, process):
    cache = DiskCache(folder, max_bytes=50_000)
    for index in range(60):
        key = f"{(index * (process + 1)) % 80}"
        found = cache.get(key)
        assert found is None or found == key.encode() * 1000
        cache.put(key, key.encode() * 1000)


def test_many_processes_write_at_once_and_keep_the_bound(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(tmp_path, process)) for process in range(2)]
    for writer in writers:
        writer.start()
    write(tmp_path, 2)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    cache = DiskCache(tmp_path)
    assert 0 < size_on_disk(cache) <= 50_000
    assert int((tmp_path / "v1" / "size").read_text()) == size_on_disk(cache)
