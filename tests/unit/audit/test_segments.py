import pytest

from gateway.audit.record import parse
from gateway.audit.segments import last_head, list_journals, list_segments, read_after, read_lines, segment_name


@pytest.fixture
def folder(tmp_path, seal_all):
    """A journal of 100 records of uneven length, in segments of 1 to 40, 41, and 42 to 100."""
    lines = seal_all([{"n": n, "pad": "x" * (n * 37 % 400)} for n in range(1, 101)])
    folder = tmp_path / "gateway-1"
    folder.mkdir()
    for first, last in ((1, 40), (41, 41), (42, 100)):
        (folder / segment_name(first)).write_bytes(b"".join(lines[first - 1 : last]))
    return folder


def numbers(lines):
    return [parse(line).seq for line in lines]


def test_nothing_comes_after_the_last_record(folder):
    assert read_after(folder, 100, 10) == []


def test_a_half_written_line_has_no_place(folder):
    with list_segments(folder)[-1].open("ab") as segment:
        segment.write(b'{"se')
    assert numbers(read_after(folder, 98, 2)) == [99, 100]


def test_a_file_without_a_record_has_no_head(tmp_path):
    (tmp_path / "empty").touch()
    assert last_head(tmp_path / "empty") is None


@pytest.mark.parametrize("after", range(100))
def test_any_record_is_found(folder, after):
    assert numbers(read_after(folder, after, 1)) == [after + 1]


@pytest.mark.parametrize(("after", "count"), [(0, 100), (39, 3), (40, 1), (0, 7), (95, 5)])
def test_a_page_runs_over_segments(folder, after, count):
    assert numbers(read_after(folder, after, count)) == list(range(after + 1, after + count + 1))


def test_all_lines_are_read_in_order(folder):
    assert numbers(read_lines(folder)) == list(range(1, 101))


def test_one_segment_is_read_alone(folder):
    assert numbers(read_lines(list_segments(folder)[1])) == [41]


def test_journals_are_found_in_their_directory_and_by_themselves(folder):
    (folder.parent / "other").mkdir()
    assert list_journals(folder.parent) == list_journals(folder) == [folder]
    assert list_journals(list_segments(folder)[0]) == [list_segments(folder)[0]]
