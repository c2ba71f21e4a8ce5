"""Conditional requests after RFC 9110 13."""

import pytest

from gateway.links.preconditions import Precondition, entity_tag, evaluate, range_applies

ETAG = entity_tag("ab" * 32)


@pytest.mark.parametrize(
    "header",
    ['"other"', f"W/{ETAG}", f'W/{ETAG}, "other"', "", ",", "ab" * 32, f"{ETAG} x", f"w/{ETAG}", f"**, {ETAG}"],
)
def test_if_match_that_does_not_match_strongly_fails(header):
    assert evaluate(ETAG, if_match=header) is Precondition.FAILED


@pytest.mark.parametrize("header", [ETAG, "*", " * ", f'"other", {ETAG}', f'"a,b" ,{ETAG},', f"W/{ETAG}, {ETAG}"])
def test_if_match_that_matches_proceeds(header):
    assert evaluate(ETAG, if_match=header) is Precondition.PROCEED


@pytest.mark.parametrize("header", [ETAG, f"W/{ETAG}", "*", f'"other", W/{ETAG}', f'\t"other",,{ETAG}'])
def test_if_none_match_that_matches_even_weakly_is_not_modified(header):
    assert evaluate(ETAG, if_none_match=header) is Precondition.NOT_MODIFIED


@pytest.mark.parametrize("header", ['"other"', "", "ab" * 32, f"{ETAG[:-1]}", f'"unclosed, {ETAG}', f"{ETAG}" * 100])
def test_if_none_match_that_does_not_match_proceeds(header):
    assert evaluate(ETAG, if_none_match=header) is Precondition.PROCEED


def test_if_match_is_judged_before_if_none_match():
    assert evaluate(ETAG, if_match='"other"', if_none_match=ETAG) is Precondition.FAILED
    assert evaluate(ETAG, if_match=ETAG, if_none_match=ETAG) is Precondition.NOT_MODIFIED


def test_no_condition_proceeds():
    assert evaluate(ETAG) is Precondition.PROCEED


@pytest.mark.parametrize("header", ['"other"', f"W/{ETAG}", "*", "", "Sat, 31 Jan 2026 23:59:58 GMT", f'{ETAG}, "b"'])
def test_a_range_is_not_followed_where_if_range_is_another_state(header):
    assert not range_applies(ETAG, if_range=header)


@pytest.mark.parametrize("header", [None, ETAG, f" {ETAG}\t"])
def test_a_range_is_followed_where_if_range_is_this_state(header):
    assert range_applies(ETAG, if_range=header)
