import os
import threading

import pytest

from gateway.client.readahead import ReadAhead
from gateway.envelope.layout import segment_start
from gateway.errors import ConnectionLost

SIZE = 40_000_000


class Source:
    """Content whose reads are recorded; a byte says where it is from."""

    def __init__(self, size=SIZE):
        self.content = os.urandom(size)
        self.reads = []

    def read(self, start, end):
        self.reads.append((start, end))
        return self.content[start:end]


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def ahead(source):
    opened = ReadAhead(source.read, SIZE)
    yield opened
    opened.close()


def test_what_fails_ahead_fails_the_read_that_wants_it():
    def read(start, end):
        if start > 3_000_000:
            raise ConnectionLost("S3 went away.")
        return bytes(end - start)

    ahead = ReadAhead(read, SIZE)
    for start in range(0, 3_000_000, 1_000_000):
        ahead.read(start, start + 1_000_000)
    with pytest.raises(ConnectionLost):
        ahead.read(3_000_000, 4_200_000)
    ahead.close()


def test_nothing_is_read_past_the_end(source, ahead):
    assert ahead.read(SIZE - 3, SIZE + 10) == source.content[-3:]
    assert ahead.read(SIZE, SIZE + 10) == b""


def test_reads_nearby_fetch_their_segment_once(source, ahead):
    for start in (5, 900_000, 17, 400_000):
        assert ahead.read(start, start + 10) == source.content[start : start + 10]
    assert source.reads == [(0, segment_start(1))]


def test_who_jumps_fetches_what_is_touched_alone(source, ahead):
    for start in (30_000_000, 2_000_000, 20_000_000, 10_000_000):
        assert ahead.read(start, start + 1000) == source.content[start : start + 1000]
    assert sum(end - start for start, end in source.reads) < 5 * 1_048_576


def test_who_reads_on_and_on_gets_long_requests(source, ahead):
    step = 100_000
    read = [ahead.read(start, start + step) for start in range(0, SIZE, step)]
    assert b"".join(read) == source.content
    assert sum(end - start for start, end in source.reads) == SIZE
    assert len(source.reads) < 12


def test_the_next_bytes_are_fetched_while_the_reader_works(source):
    waiting, asked = threading.Event(), threading.Event()

    def read(start, end):
        if threading.current_thread() is not threading.main_thread():
            asked.set()
            waiting.wait(10)
        return source.read(start, end)

    ahead = ReadAhead(read, SIZE)
    for start in range(0, 3_000_000, 1_000_000):
        ahead.read(start, start + 1_000_000)
    assert asked.wait(10)
    waiting.set()
    assert ahead.read(3_000_000, 4_000_000) == source.content[3_000_000:4_000_000]
    ahead.close()


def test_long_reads_are_passed_through(source, ahead):
    assert ahead.read(0, SIZE) == source.content
    assert source.reads == [(0, SIZE)]


def test_memory_stays_bounded(source, ahead):
    for start in range(0, SIZE, 1_000_000):
        ahead.read(start, start + 10)
    assert len(ahead._segments) <= 24
