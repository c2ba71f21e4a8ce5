"""Range headers out of RFC 9110's corners: one range, none, or 416."""

import pytest

from gateway.errors import RangeNotSatisfiable
from gateway.links.byte_range import ByteRange, parse_range, unsatisfied_range


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=1000-", 1000),
        ("bytes=1000-1000", 1000),
        ("bytes=1001-2000", 1000),
        (f"bytes={'9' * 200}-", 1000),
        ("bytes=-0", 1000),
        ("bytes=-0", 0),
        ("bytes=-000", 1000),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
    ],
)
def test_a_range_without_a_byte_of_the_file_is_refused(header, size):
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, size=size)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes= - ",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1.0-2",
        "bytes=0x1-2",
        "bytes=1-2;q=1",
        "bytes=5-4",
        "bytes=1 - 2",
        "bytes =0-1",
        " bytes=0-1",
        "bytes:0-1",
        "octets=0-1",
        "items=0-1",
        "bytes=\u0661-\u0662",
        "bytes=\uff11-",
        "bytes=0-1\n",
        "bytes=0-0,-1",
        "bytes=0-1, 3-4",
        "bytes=1000-,0-1",
        f"bytes={','.join(['0-'] * 60)}",
        f"bytes={'0' * 300}-",
    ],
)
def test_a_header_that_is_no_single_range_of_bytes_is_ignored(header):
    assert parse_range(header, size=1000) is None


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-499", 0, 500),
        ("bytes=500-999", 500, 1000),
        ("bytes=999-", 999, 1000),
        ("bytes=0-", 0, 1000),
        ("bytes=0-1000", 0, 1000),
        (f"bytes=0-{'9' * 200}", 0, 1000),
        ("bytes=-1", 999, 1000),
        ("bytes=-1000", 0, 1000),
        ("bytes=-1001", 0, 1000),
        (f"bytes=-{'9' * 200}", 0, 1000),
        ("BYTES=0-1", 0, 2),
        ("bytes= 0-1\t", 0, 2),
        ("bytes=,0-1, ,", 0, 2),
        ("bytes=007-008", 7, 9),
    ],
)
def test_a_single_range_is_cut_to_the_file(header, start, end):
    assert parse_range(header, size=1000) == ByteRange(start, end, 1000)


def test_a_suffix_of_an_empty_file_is_the_whole_file():
    assert parse_range("bytes=-5", size=0) is None


def test_the_content_range_of_a_206_has_an_inclusive_end():
    assert ByteRange(0, 1, 1000).content_range == "bytes 0-0/1000"
    assert ByteRange(500, 1000, 1000).content_range == "bytes 500-999/1000"


def test_the_content_range_of_a_416_has_the_size_alone():
    assert unsatisfied_range(0) == "bytes */0"
