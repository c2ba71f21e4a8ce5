import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.chain import Fault, examine, verify
from gateway.audit.event import journal_started
from gateway.audit.record import Head, parse, seal
from gateway.errors import JournalBroken


def found(lines, **options):
    finding = examine(lines, **options).finding
    return finding and (finding.fault, finding.seq)


def head_of(line):
    return parse(line).head


def before(lines, index):
    return head_of(lines[index - 1])


def test_no_lines_are_a_truncated_journal():
    assert found([]) == (Fault.TRUNCATED, 1)


@pytest.mark.parametrize("index", range(7))
def test_an_altered_record_is_named(whole, index):
    whole[index] = whole[index].replace(b'"event":{', b'"event":{"x":1,')
    assert found(whole) == (Fault.ALTERED, index + 1)


def test_a_line_that_is_no_record_is_an_altered_one(whole):
    whole[3] = b"\x00" * 200 + b"\n"
    assert found(whole) == (Fault.ALTERED, 4)


def test_a_record_altered_and_sealed_anew_is_named_by_its_successor(whole):
    whole[3], _ = seal(before(whole, 3), encode_event({"n": "forged"}))
    assert found(whole) == (Fault.ALTERED, 4)


def test_a_removed_record_is_named(whole):
    del whole[3]
    finding = examine(whole).finding
    assert (finding.fault, finding.seq) == (Fault.REMOVED, 4)
    assert finding.message == "Record 4 was removed: record 5 stands there."


def test_several_removed_records_are_named(whole):
    del whole[2:5]
    assert examine(whole).finding.message == "Records 3 to 5 were removed: record 6 stands there."


def test_a_removed_first_record_is_named(whole):
    assert found(whole[1:]) == (Fault.REMOVED, 1)


def test_reordered_records_are_named(whole):
    whole[3], whole[4] = whole[4], whole[3]
    assert found(whole) == (Fault.REORDERED, 4)


def test_a_record_moved_far_back_is_named(whole):
    whole.append(whole.pop(2))
    assert found(whole) == (Fault.REORDERED, 3)


@pytest.mark.parametrize("index", range(1, 7))
def test_an_inserted_foreign_line_is_named(whole, index):
    whole.insert(index, b'{"n":"foreign"}\n')
    assert found(whole) == (Fault.INSERTED, index + 1)


def test_a_record_inserted_twice_is_named(whole):
    whole.insert(4, whole[1])
    assert found(whole) == (Fault.INSERTED, 5)


def test_a_record_twice_at_the_end_is_named(whole):
    assert found([*whole, whole[2]]) == (Fault.INSERTED, 8)


def test_a_forged_record_in_a_true_ones_place_is_inserted(whole):
    forged, _ = seal(before(whole, 3), encode_event({"n": "forged"}))
    whole.insert(3, forged)
    assert found(whole) == (Fault.INSERTED, 5)  # both claim to be record 4, and neither can be told to be the guest


def test_a_half_record_at_the_end_is_truncation(whole):
    whole[-1] = whole[-1][:-20]
    assert found(whole) == (Fault.TRUNCATED, 7)


def test_a_cut_after_a_whole_record_shows_against_a_known_head(whole):
    known = head_of(whole[-1])
    assert found(whole[:-2]) is None
    assert found(whole[:-2], expected=known) == (Fault.TRUNCATED, 6)


def test_a_rewritten_end_shows_against_a_known_head(whole, seal_all):
    known = head_of(whole[-1])
    rewritten = whole[:5] + seal_all([{"n": "forged"}, {"n": 7}], before(whole, 5))
    assert found(rewritten) is None
    assert found(rewritten, expected=known) == (Fault.ALTERED, 7)


def test_a_known_head_within_the_journal_is_no_fault(whole):
    assert found(whole, expected=head_of(whole[4])) is None


def test_another_instances_journal_has_a_wrong_genesis(whole):
    assert found(whole, instance="gateway-2") == (Fault.WRONG_GENESIS, 1)


@pytest.mark.parametrize(
    "event",
    [
        {"n": 1},
        {"app": {"uid": "gateway-1"}, "time": "noon"},
        {"app": {"uid": 1}, "time": 1},
        {"app": "gateway-1", "time": 1},
    ],
)
def test_a_first_record_that_opens_no_journal_has_a_wrong_genesis(seal_all, event):
    assert found(seal_all([event])) == (Fault.WRONG_GENESIS, 1)


def test_a_genesis_of_another_time_is_wrong(seal_all, noon):
    opening = journal_started("gateway-1", at=noon.replace(hour=13))
    assert found(seal_all([opening])) == (Fault.WRONG_GENESIS, 1)


def test_an_event_that_is_no_json_opens_no_journal():
    line, _ = seal(Head(0, b"0" * 64), b"{not json}")
    assert found([line]) == (Fault.WRONG_GENESIS, 1)


def test_verify_raises_with_the_first_bad_record(whole):
    del whole[5]
    with pytest.raises(JournalBroken, match=r"^Record 6 was removed: record 7 stands there\.$") as caught:
        verify(whole)
    assert "5 records before it are good" in caught.value.hint


def test_a_half_written_end_is_explained(whole):
    with pytest.raises(JournalBroken, match="in the middle of record 7") as caught:
        verify([*whole[:-1], whole[-1][:-1]])
    assert "half-written end" in caught.value.hint


def test_a_whole_journal_is_reported(whole):
    report = verify(whole, instance="gateway-1")
    assert (report.instance, report.count, report.head) == ("gateway-1", 7, head_of(whole[-1]))
    assert (report.first, report.last) == (parse(whole[0]), parse(whole[-1]))


def test_a_journal_is_read_on_after_a_known_head(whole):
    report = examine(whole[4:], after=head_of(whole[3]))
    assert (report.finding, report.count, report.instance) == (None, 3, "")


def test_what_follows_a_known_head_must_follow_it(whole):
    assert found(whole[4:], after=head_of(whole[2])) == (Fault.REMOVED, 4)
