import errno
import hashlib
import os
import stat

import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.chain import examine
from gateway.audit.record import genesis
from gateway.audit.segments import list_segments, read_lines
from gateway.audit.writer import JournalWriter, data_sync
from gateway.errors import JournalBroken, JournalUnavailable

GENESIS = genesis("gateway-1", 1)
OPENING = encode_event({"app": {"uid": "gateway-1"}, "time": 1})


class Disk:
    """Syncs for real, unless told to fail."""

    failing = False

    def __call__(self, file):
        if self.failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data_sync(file)


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "audit" / "gateway-1"


@pytest.fixture
def start(folder, disk):
    """Open a writer on the folder; all are closed at the end."""
    writers = []

    def start(**options):
        writer = JournalWriter(folder, genesis=GENESIS, sync=disk, **options)
        writers.append(writer)
        return writer

    yield start
    for writer in writers:
        writer.close()


def numbered(*numbers):
    return [encode_event({"n": n}) for n in numbers]


def events_in(folder):
    report = examine(read_lines(folder))
    assert report.finding is None
    return report.count


def test_a_second_writer_is_refused(start, folder):
    start()
    with pytest.raises(JournalUnavailable, match="being written by another process"):
        start()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnavailable, match="cannot be written: File exists"):
        JournalWriter(tmp_path / "file" / "gateway-1", genesis=GENESIS)


def test_a_failed_sync_leaves_nothing_behind_and_the_next_append_works(start, folder, disk):
    writer = start()
    writer.append([OPENING])
    head, content = writer.head, list_segments(folder)[0].read_bytes()
    disk.failing = True
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match="No space left on device") as caught:
            writer.append(numbered(2, 3))
        assert "Nothing is granted" in caught.value.hint
    assert (writer.head, list_segments(folder)[0].read_bytes()) == (head, content)
    disk.failing = False
    writer.append(numbered(4))
    assert events_in(folder) == 2


def test_what_could_not_be_cut_at_once_is_cut_before_the_next_record(start, folder):
    writer = start()
    writer.append([OPENING])
    with list_segments(folder)[0].open("ab") as segment:
        segment.write(b"half a rec")
    writer.append(numbered(2))
    assert events_in(folder) == 2


def test_a_failed_new_segment_is_begun_again(start, folder, disk):
    writer = start(segment_bytes=1)
    writer.append([OPENING])
    disk.failing = True
    with pytest.raises(JournalUnavailable):
        writer.append(numbered(2))
    disk.failing = False
    writer.append(numbered(2))
    assert events_in(folder) == 2


@pytest.mark.parametrize("harm", ["unlink", "replace", "cut"])
def test_a_segment_that_is_no_longer_ours_is_not_written(start, folder, harm):
    writer = start()
    writer.append([OPENING])
    segment = list_segments(folder)[0]
    if harm == "unlink":
        segment.unlink()
    elif harm == "replace":
        content = segment.read_bytes()
        segment.rename(segment.with_suffix(".old"))
        segment.write_bytes(content)
    else:
        os.truncate(segment, 10)
    for call in (lambda: writer.append(numbered(2)), writer.probe):
        with pytest.raises(JournalUnavailable):
            call()


def test_a_probe_fails_with_the_disk_and_leaves_nothing(start, folder, disk):
    writer = start()
    writer.probe()
    disk.failing = True
    with pytest.raises(JournalUnavailable, match="No space left"):
        writer.probe()
    assert [file.name for file in folder.iterdir()] == ["lock"]


@pytest.mark.parametrize("older", [False, True])
def test_a_changed_newest_segment_is_not_written_on(start, folder, older):
    writer = start(segment_bytes=1 if older else 1000)
    for event in (OPENING, *numbered(2)):
        writer.append([event])
    writer.close()
    segment = list_segments(folder)[-1]
    segment.write_bytes(segment.read_bytes().replace(b'"n":2', b'"n":3'))
    with pytest.raises(JournalBroken, match="Record 2 was altered"):
        start()
    segment.write_bytes(segment.read_bytes().replace(b'"n":3', b'"n":2'))
    assert start().head == writer.head  # the refused writer gave its lock back


def test_a_missing_older_segment_is_found(start, folder):
    writer = start(segment_bytes=1)
    for event in (OPENING, *numbered(2, 3)):
        writer.append([event])
    writer.close()
    list_segments(folder)[1].unlink()
    with pytest.raises(JournalBroken, match="Record 2 was removed"):
        start()


def test_an_older_segment_with_a_broken_end_is_found(start, folder):
    writer = start(segment_bytes=1)
    for event in (OPENING, *numbered(2)):
        writer.append([event])
    writer.close()
    os.truncate(list_segments(folder)[0], 50)
    with pytest.raises(JournalBroken):
        start()


@pytest.mark.parametrize("torn", [b'{"seq":3,"prev":"ab', b"\x00" * 4096, b"x"])
def test_a_torn_tail_is_cut_and_told(start, folder, torn):
    writer = start()
    writer.append([OPENING, *numbered(2)])
    writer.close()
    with list_segments(folder)[0].open("ab") as segment:
        segment.write(torn)
    again = start()
    assert (again.torn.size, again.torn.sha256) == (len(torn), hashlib.sha256(torn).hexdigest())
    assert again.head == writer.head
    assert events_in(folder) == 2


def test_a_torn_tail_that_cannot_be_cut_is_not_written_behind(start, folder, disk):
    writer = start()
    writer.append([OPENING])
    writer.close()
    with list_segments(folder)[0].open("ab") as segment:
        segment.write(b"torn")
    disk.failing = True
    with pytest.raises(JournalUnavailable, match="No space left"):
        start()
    disk.failing = False
    start().append(numbered(2))
    assert events_in(folder) == 2


def test_a_torn_first_record_starts_the_journal_anew(start, folder):
    folder.mkdir(parents=True)
    (folder / "0000000000000001.ndjson").write_bytes(b'{"seq":1,')
    writer = start()
    assert writer.torn.size == 9
    writer.append([OPENING])
    assert events_in(folder) == 1


def test_a_segment_that_was_begun_and_not_written_is_gone_on_with(start, folder):
    writer = start(segment_bytes=1)
    writer.append([OPENING])
    writer.close()
    (folder / "0000000000000002.ndjson").touch()
    again = start()
    assert again.head == writer.head
    again.append(numbered(2))
    assert events_in(folder) == 2


def test_files_are_for_their_owner_alone(start, folder):
    start().append([OPENING])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, *folder.iterdir())}
    assert modes == {"audit": 0o700, "gateway-1": 0o700, "lock": 0o600, "0000000000000001.ndjson": 0o600}


def test_a_journal_goes_on_over_restarts_and_segments(start, folder):
    for number in range(2, 6):
        writer = start(segment_bytes=300)
        writer.append([OPENING] if number == 2 else numbered(number))
        writer.append(numbered(number))
        writer.close()
    assert events_in(folder) == 8
    assert len(list_segments(folder)) > 2


def test_every_group_is_synced_once(folder):
    synced = []
    writer = JournalWriter(folder, genesis=GENESIS, sync=lambda file: (synced.append(file), data_sync(file)))
    writer.append([OPENING, *numbered(*range(100))])
    writer.close()
    assert len(synced) == 1
