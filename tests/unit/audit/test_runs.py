"""What a journal tells of its gateway's runs."""

from datetime import timedelta

import pytest

from gateway.audit.event import journal_started, journal_stopped, policies_changed, signer_replaced
from gateway.audit.runs import Gap, Run, RunsOf, gaps


@pytest.fixture
def runs(seal_all):
    def runs(*events):
        noted = RunsOf(seal_all(events))
        assert len(list(noted)) == len(events)
        return noted.runs()

    return runs


@pytest.fixture
def at(noon):
    return lambda hours: noon + timedelta(hours=hours)


def opened(at, **torn):
    return journal_started("gateway-1", at=at, **torn)


def closed(at):
    return journal_stopped("gateway-1", at=at)


def test_what_opens_no_journal_is_no_run(runs):
    assert runs() == []
    assert runs({"n": 1}) == []


def test_a_run_that_was_killed_is_not_closed_and_says_what_was_cut(runs, at):
    found = runs(opened(at(0)), {"time": 0}, opened(at(2), torn_bytes=23, torn_sha256="ab"), closed(at(3)))
    assert [(one.first, one.last, one.closed, one.torn_bytes) for one in found] == [(1, 2, False, 23), (3, 4, True, 0)]


def test_a_run_that_goes_on_is_not_closed_yet(runs, at):
    [found] = runs(opened(at(0)), policies_changed(digest="ab", at=at(1)))
    assert found == Run("gateway-1", 1, at(0), 2, at(1), closed=False)


def test_other_changes_end_no_run(runs, at):
    signer = signer_replaced(before="a", now="b", at=at(1))
    assert len(runs(opened(at(0)), policies_changed(digest="ab", at=at(1)), signer, closed(at(2)))) == 1


def test_a_gap_is_when_nobody_was_running(at):
    one = Run("a", 1, at(0), 2, at(4), closed=True)
    inside = Run("b", 1, at(1), 2, at(3), closed=True)
    later = Run("b", 3, at(6), 4, at(7), closed=True)
    assert gaps([later, inside, one]) == [Gap(at(4), at(6))]
    assert gaps([one, inside]) == gaps([]) == []
    assert gaps([inside, later]) == [Gap(at(3), at(6))]
