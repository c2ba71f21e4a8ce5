import os

import pytest

from gateway.audit.record import parse
from gateway.audit.sinks import cursor as module
from gateway.audit.sinks.cursor import Cursor, Place, append_whole
from gateway.errors import SinkUnavailable


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seq":1,"surprise":2}', "\xff"])
def test_a_cursor_that_cannot_be_read_is_not_guessed(tmp_path, content):
    (tmp_path / "siem.json").write_text(content, encoding="latin-1")
    with pytest.raises(SinkUnavailable, match="cannot be read"):
        Cursor(tmp_path, "siem")


def test_a_place_that_cannot_be_noted_is_not_taken(tmp_path):
    cursor = Cursor(tmp_path, "siem")
    (tmp_path / "siem.new").mkdir()
    with pytest.raises(SinkUnavailable, match="cannot be written"):
        cursor.advance(5)
    assert cursor.place == Place()


def test_a_dead_letter_that_cannot_be_kept_is_not_passed_by(tmp_path, whole):
    cursor = Cursor(tmp_path, "siem")
    cursor.dead_letters.mkdir()
    with pytest.raises(SinkUnavailable, match="cannot be written"):
        cursor.bury([parse(whole[0])], "refused")
    assert cursor.place == Place()


def test_what_was_noted_is_there_after_a_restart(tmp_path, whole):
    cursor = Cursor(tmp_path / "new", "siem")
    cursor.advance(5)
    cursor.bury([parse(whole[5])], "refused")
    assert Cursor(tmp_path / "new", "siem").place == Place(6, 1)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert cursor.dead_letters.stat().st_mode & 0o777 == 0o600


def test_half_a_write_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "file"
    append_whole(path, b"one\n")

    def fail(file, data):
        os.truncate(file, 100)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "write", fail)
        with pytest.raises(OSError, match="No space"):
            append_whole(path, b"two\n")
    assert path.read_bytes() == b"one\n"
