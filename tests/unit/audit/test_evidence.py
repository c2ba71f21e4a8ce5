import base64
import secrets

import pytest

from gateway.audit.checkpoint import Checkpoint
from gateway.audit.event import journal_started
from gateway.audit.evidence import verify_signed
from gateway.audit.merkle import Frontier, leaf_hash
from gateway.audit.note import add_signature
from gateway.audit.record import Head, entry_of, parse
from gateway.errors import InvalidProof, JournalBroken

ORIGIN = "gateway.example.com/audit/gateway-1"


class Log:
    """A journal with a checkpoint after each of the sizes, as the one who signs has it."""

    def __init__(self, lines, signer, sizes):
        self.lines, self.keys, self._key = lines, signer.verifiers(), signer._keys[-1]
        self.leaves = [leaf_hash(entry_of(line)) for line in lines]
        self.notes = [self.sign(size) for size in sizes]

    def sign(self, size):
        tree = Frontier()
        for leaf in self.leaves[:size]:
            tree.append(leaf)
        text = Checkpoint(ORIGIN, size, tree.root()).text
        return add_signature(text, self.keys[-1], self._key.sign(text.encode())).encode()

    def forge(self, size):
        text = Checkpoint(ORIGIN, size, secrets.token_bytes(32)).text
        return add_signature(text, self.keys[-1], secrets.token_bytes(64)).encode()

    def verify(self, lines=None, *, notes=None, tiles=True, **options):
        return verify_signed(
            self.lines if lines is None else lines,
            notes=self.notes if notes is None else notes,
            keys=self.keys,
            leaves=(lambda size, start: self.leaves[start:size]) if tiles else None,
            **options,
        )


@pytest.fixture
def make(seal_all, signer, noon):
    def make(count=12, sizes=(3, 6, 9), mark="a"):
        events = [
            journal_started("gateway-1", at=noon) | {"metadata": {"uid": "0" * 32}},
            *({"n": n, "mark": mark} for n in range(2, count + 1)),
        ]
        return Log(seal_all(events), signer, sizes)

    return make


@pytest.fixture
def log(make):
    return make()


def rewritten(log, seal_all, first):
    """The journal with the record `first` changed, and everything from there on sealed anew."""
    head = Head(first - 1, parse(log.lines[first - 2]).hash)
    return [*log.lines[: first - 1], *seal_all([{"n": n, "mark": "forged"} for n in range(first, 13)], head)]


@pytest.mark.parametrize("first", range(2, 10))
def test_a_journal_written_anew_from_a_record_on_is_named_with_that_record(log, seal_all, first):
    with pytest.raises(JournalBroken, match=rf"Record {first} was altered and the journal sealed anew from there"):
        log.verify(rewritten(log, seal_all, first))


@pytest.mark.parametrize("first", range(2, 10))
def test_without_tiles_it_is_named_with_the_checkpoint(log, seal_all, first):
    before = (first - 1) // 3 * 3
    with pytest.raises(JournalBroken, match=f"Records {before + 1} to {before + 3} are not those that were signed"):
        log.verify(rewritten(log, seal_all, first), tiles=False)


def test_tiles_that_were_written_anew_too_do_not_hide_it(log, seal_all, make):
    lines = rewritten(log, seal_all, 5)
    forged = [leaf_hash(entry_of(line)) for line in lines]
    with pytest.raises(JournalBroken, match="Records 4 to 6 are not those that were signed"):
        verify_signed(lines, notes=log.notes, keys=log.keys, leaves=lambda size, start: forged[start:size])


def test_tiles_that_are_damaged_do_not_hide_it(log, seal_all):
    def damaged(size, start):
        raise InvalidProof("tile/0/000 is missing or damaged.")

    with pytest.raises(JournalBroken, match="Records 4 to 6"):
        verify_signed(rewritten(log, seal_all, 5), notes=log.notes, keys=log.keys, leaves=damaged)


@pytest.mark.parametrize("end", range(1, 9))
def test_whole_records_cut_off_the_end_are_missed(log, end):
    with pytest.raises(JournalBroken, match=f"truncated: it ends at record {end}, and [369] were signed"):
        log.verify(log.lines[:end])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_forged_checkpoint_is_named(log, number):
    notes = [*log.notes]
    notes[number] = log.forge(3 * (number + 1))
    with pytest.raises(
        JournalBroken, match=rf"Checkpoint {number + 1}, after the one over {3 * number} records, is forged"
    ):
        log.verify(notes=notes)


def test_a_checkpoint_of_another_log_or_key_is_named(log, signer):
    strange = log.notes[1].replace(b"gateway-1", b"gateway-2")
    with pytest.raises(JournalBroken, match=r"Checkpoint 2, .* is forged\. No key was given"):
        log.verify(notes=[log.notes[0], strange, log.notes[2]])
    signer.rotate()
    with pytest.raises(JournalBroken, match=r"Checkpoint 1, .* none of the keys"):
        verify_signed(log.lines, notes=log.notes, keys=signer.verifiers()[1:])


def test_a_rolled_back_checkpoint_is_named(log):
    with pytest.raises(JournalBroken, match=r"Checkpoint 3 was rolled back: it covers 3 records, the one before 6\."):
        log.verify(notes=[log.notes[0], log.notes[1], log.notes[0], log.notes[2]])


def test_two_journals_that_were_signed_under_one_name_are_named(log, make):
    twin = make(mark="b")
    with pytest.raises(JournalBroken, match="Two journals have one identity: both of 3 records"):
        log.verify(notes=[log.notes[0], twin.notes[0], log.notes[1]])
    with pytest.raises(JournalBroken, match=r"Record 2 was altered and the journal sealed anew"):
        log.verify(twin.lines)


def test_a_checkpoint_known_from_elsewhere_shows_a_journal_and_checkpoints_that_were_rolled_back_together(log):
    with pytest.raises(JournalBroken, match=r"rolled back: it ends at record 5, and a checkpoint over 9 is known"):
        log.verify(log.lines[:5], notes=log.notes[:1], known=[log.notes[2]])


def test_a_checkpoint_known_from_elsewhere_shows_another_journal(log, make):
    twin = make(mark="b")
    with pytest.raises(JournalBroken, match="Records 1 to 3 are not those that were signed"):
        log.verify(notes=[], known=[twin.notes[2], twin.notes[0]])
    with pytest.raises(JournalBroken, match="Records 4 to 9 are not those that were signed"):
        log.verify(notes=log.notes[:1], known=[twin.notes[2]])


def test_a_known_checkpoint_that_is_not_signed_shows_nothing(log):
    with pytest.raises(InvalidProof):
        log.verify(known=[log.forge(3)])


@pytest.mark.parametrize("seq", range(1, 13))
@pytest.mark.parametrize("tiles", [True, False])
def test_what_the_chain_shows_is_named_as_before(log, seq, tiles):
    altered = [*log.lines]
    altered[seq - 1] = altered[seq - 1].replace(b"a", b"b", 1)
    with pytest.raises(JournalBroken, match=f"Record {seq} was altered|Record 1 has a wrong genesis|is truncated"):
        log.verify(altered, tiles=tiles)
    if 1 < seq < 12:
        with pytest.raises(JournalBroken, match=f"A line was inserted before record {seq}"):
            log.verify([*log.lines[: seq - 1], b"{}\n", *log.lines[seq - 1 :]], tiles=tiles)
        with pytest.raises(JournalBroken, match=f"A line was inserted before record {seq}"):
            log.verify([*log.lines[: seq - 1], b"x" * 100 + b"\n", *log.lines[seq - 1 :]], tiles=tiles)
        with pytest.raises(JournalBroken, match=f"Record {seq} was removed"):
            log.verify([*log.lines[: seq - 1], *log.lines[seq:]], tiles=tiles)


def test_a_journal_is_whole_with_any_checkpoints_that_were_signed_of_it(log):
    evidence = log.verify(known=[log.notes[1], log.sign(12), log.sign(1)])
    assert (evidence.report.count, evidence.checkpoints, evidence.covered) == (12, 6, 12)
    again = log.verify(notes=[log.notes[0], log.notes[0], log.notes[2]])
    assert (again.checkpoints, again.covered) == (3, 9)
    none = log.verify(notes=[])
    assert (none.checkpoints, none.covered) == (0, 0)


def test_a_signature_of_a_witness_beside_the_logs_own_changes_nothing(log):
    witness = f"— witness.example/w1 {base64.b64encode(secrets.token_bytes(76)).decode()}\n".encode()
    assert log.verify(notes=[note + witness for note in log.notes]).checkpoints == 3
