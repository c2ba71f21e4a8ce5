from datetime import timedelta

import pytest

from gateway.errors import IntegrityError, VaultUnavailable
from gateway.keys.circuit import Circuit, CircuitOpen


@pytest.fixture
def circuit(clock):
    return Circuit(clock, counts=VaultUnavailable, jitter=lambda: 1.0)


def fail(circuit, error=VaultUnavailable):
    with pytest.raises(error), circuit.call():
        raise error("away")


def succeed(circuit):
    with circuit.call():
        pass


def refused(circuit):
    with pytest.raises(CircuitOpen) as refusal, circuit.call():
        pytest.fail("it was let through")
    return refusal.value.wait


@pytest.fixture
def opened(circuit):
    for _ in range(5):
        fail(circuit)
    return circuit


def test_an_open_circuit_refuses_and_says_for_how_long(opened, clock):
    assert refused(opened) == timedelta(seconds=1.5)  # a second, and half of it at random
    clock.advance(seconds=1)
    assert refused(opened) == timedelta(seconds=0.5)


def test_it_opens_at_the_fifth_failure_in_a_row(circuit):
    for _ in range(4):
        fail(circuit)
    assert not circuit.is_open
    fail(circuit)
    assert circuit.is_open


def test_failures_that_are_not_in_a_row_do_not_open_it(circuit):
    for _ in range(10):
        fail(circuit)
        succeed(circuit)
    assert not circuit.is_open


def test_an_error_that_is_an_answer_is_no_failure(circuit):
    for _ in range(10):
        fail(circuit, IntegrityError)
    assert not circuit.is_open


def test_after_its_rest_one_call_is_let_through_and_all_others_wait_for_it(opened, clock):
    clock.advance(seconds=1.5)
    with opened.call():
        assert refused(opened) == timedelta(seconds=1)
    assert not opened.is_open
    succeed(opened)


def test_an_answer_of_any_kind_closes_it(opened, clock):
    clock.advance(seconds=2)
    fail(opened, IntegrityError)
    assert not opened.is_open


def test_rests_grow_while_trials_fail_and_begin_anew_after_an_answer(opened, clock):
    rests = []
    for _ in range(6):
        clock.advance(seconds=30)
        fail(opened)
        rests.append(refused(opened) / 1.5)
    assert rests == [timedelta(seconds=seconds) for seconds in (2, 4, 8, 15, 15, 15)]
    clock.advance(seconds=30)
    succeed(opened)
    for _ in range(5):
        fail(opened)
    assert refused(opened) == timedelta(seconds=1.5)


def test_a_trial_whose_caller_goes_away_says_nothing_and_the_next_call_is_the_trial(opened, clock):
    clock.advance(seconds=2)
    with pytest.raises(GeneratorExit), opened.call():
        raise GeneratorExit
    assert opened.is_open
    succeed(opened)
    assert not opened.is_open


def test_a_call_that_began_before_it_opened_does_not_prolong_the_rest(circuit, clock):
    slow = circuit.call()
    slow.__enter__()
    for _ in range(5):
        fail(circuit)
    clock.advance(seconds=1)
    assert not slow.__exit__(VaultUnavailable, VaultUnavailable("late"), None)
    assert refused(circuit) == timedelta(seconds=0.5)
