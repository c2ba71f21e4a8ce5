import json

import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.record import EventJson, Head, Record, follow, genesis, is_whole, parse, seal
from gateway.errors import JournalBroken

START = Head(0, genesis("gateway-1", 0))


def test_a_line_does_not_follow_another_head():
    line, _ = seal(START, encode_event({"n": 1}))
    assert follow(Head(0, genesis("gateway-2", 0)), line) is None
    assert follow(Head(1, START.hash), line) is None


@pytest.mark.parametrize("place", [0, 8, 30, 90, -2, -20, -70, -76])
def test_a_line_with_any_byte_changed_does_not_follow(place):
    line, _ = seal(START, encode_event({"n": 1}))
    changed = bytearray(line)
    changed[place] ^= 1
    assert follow(START, bytes(changed)) is None


def test_a_line_without_its_newline_does_not_follow():
    line, _ = seal(START, encode_event({"n": 1}))
    assert follow(START, line[:-1]) is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}\n",
        b"garbage\n",
        b'{"seq":0,"prev":"%b","event":{},"hash":"%b"}\n' % (b"a" * 64, b"b" * 64),
        b'{"seq":01,"prev":"%b","event":{},"hash":"%b"}\n' % (b"a" * 64, b"b" * 64),
        b'{"seq":1,"prev":"%b","event":{},"hash":"%b"}\n' % (b"A" * 64, b"b" * 64),
        b'{"seq":1,"prev":"%b","event":{},"hash":"%b"} \n' % (b"a" * 64, b"b" * 64),
    ],
)
def test_another_shape_is_no_record(line):
    assert parse(line) is None


@pytest.mark.parametrize("event", [b"{no json}", b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_an_event_that_cannot_be_read_is_an_altered_record(event):
    with pytest.raises(JournalBroken, match="Record 3 was altered"):
        Record(3, b"", EventJson(event), b"").read_event()


def test_a_sealed_line_is_json_of_one_line_and_follows():
    line, head = seal(START, encode_event({"b": "é\n\u2028", "a": [True, None, 1]}))
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "seq": 1,
        "prev": START.hash.decode(),
        "event": {"a": [True, None, 1], "b": "é\n\u2028"},
        "hash": head.hash.decode(),
    }
    assert follow(START, line) == head
    assert is_whole(line)


def test_a_record_is_read_back():
    line, head = seal(START, encode_event({"n": 1, "hash": "x"}))
    record = parse(line)
    assert record is not None
    assert (record.head, record.prev, record.read_event()) == (head, START.hash, {"n": 1, "hash": "x"})
