"""A file of 5 GB travels through client and server whose memory stays flat."""

import subprocess
import sys
import threading
import time

import psutil
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SIZE = 5 * 10**9
LIMIT = 300 * 10**6
"""Resident bytes that a process may have."""
MARKS = (0, 64 << 20, SIZE // 2, SIZE - 8)
"""Where the file is not zero: at its ends, at a part's start, in the middle."""


class Watched:
    """Samples the resident memory of processes until it is closed."""

    def __init__(self, *pids):
        self.peaks = dict.fromkeys(pids, 0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.05):
            for pid, peak in self.peaks.items():
                try:
                    self.peaks[pid] = max(peak, psutil.Process(pid).memory_info().rss)
                except psutil.NoSuchProcess:
                    self._done.set()


@pytest.fixture
def big(tmp_path):
    """A sparse file: it takes no room, and its content is known."""
    file = tmp_path / "big.bin"
    with file.open("wb") as out:
        for mark in MARKS:
            out.seek(mark)
            out.write(mark.to_bytes(8))
    assert file.stat().st_size == SIZE
    return file


@pytest.fixture
def peaks(shared, client_environment, record_property):
    """Runs `gateway WORDS` as ada and returns the peak of the client's memory and of the server's."""

    def run(*words):
        started = time.monotonic()
        command = [sys.executable, "-m", "gateway", *map(str, words)]
        client = subprocess.Popen(
            command, env=client_environment("ada"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        with Watched(client.pid, shared.process.pid) as watched:
            _, err = client.communicate(timeout=400)
        assert client.returncode == 0, err
        peak = [watched.peaks[client.pid], watched.peaks[shared.process.pid]]
        record_property(words[0], {"seconds": time.monotonic() - started, "client": peak[0], "server": peak[1]})
        return peak

    return run


def test_a_file_of_5_gb_is_pushed_in_parts_and_pulled_with_flat_memory(
    peaks, ada, web, shared, name, big, tmp_path, parts_of
):
    assert max(peaks("push", big, name)) < LIMIT
    assert parts_of(name) >= 70
    assert max(peaks("pull", f"{name}@v1", tmp_path / "out")) < LIMIT
    pulled = tmp_path / "out" / big.name
    assert pulled.stat().st_size == SIZE
    assert ada.pull(f"{name}@v1", tmp_path / "out").kept == 1  # its SHA-256 is that of the source
    with pulled.open("rb") as file:
        for mark in MARKS:
            file.seek(mark)
            assert int.from_bytes(file.read(8)) == mark
    pulled.unlink()
    with Watched(shared.process.pid) as watched:
        url = ada.link(f"{name}@v1/{big.name}").url
        with web.stream("GET", url, headers={"range": f"bytes={SIZE - 10**9}-"}) as answer:
            streamed = sum(map(len, answer.iter_bytes(1 << 20)))
    assert streamed == 10**9
    assert watched.peaks[shared.process.pid] < LIMIT


@pytest.fixture
def parts_of(shared):
    """Counts the parts that a push was given links for, as the journal tells."""

    def count(name):
        return sum(
            1
            for record in shared.records()
            if b'"parts"' in record.event and name.encode() in record.event and b"Success" in record.event
        )

    return count
