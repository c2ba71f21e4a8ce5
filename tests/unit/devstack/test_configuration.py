import tomllib
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.devstack import configuration
from gateway.errors import InvalidConfiguration

text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=10)
trees = st.dictionaries(text, values, max_size=5)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(InvalidConfiguration, match=r"more\.toml cannot be read"):
        configuration.load(tmp_path / "more.toml")


@pytest.mark.parametrize("content", [b"[server", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused_by_name(tmp_path, content):
    (tmp_path / "more.toml").write_bytes(content)
    with pytest.raises(InvalidConfiguration, match=r"more\.toml cannot be read as TOML"):
        configuration.load(tmp_path / "more.toml")


@given(trees)
def test_what_is_written_reads_back(tree):
    assert tomllib.loads(configuration.dump(tree)) == tree


def test_dates_and_times_read_back():
    tree = {"day": date(2026, 1, 2), "then": [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]}
    assert tomllib.loads(configuration.dump(tree)) == tree


@given(trees, trees)
def test_merging_changes_neither_side(base, more):
    before = repr((base, more))
    configuration.merge(base, more)
    assert repr((base, more)) == before


@given(trees)
def test_merging_nothing_changes_nothing(tree):
    assert configuration.merge(tree, {}) == tree
    assert configuration.merge({}, tree) == tree


def test_issuers_merge_by_alias_and_new_ones_are_appended():
    base = {"issuers": [{"alias": "people", "leeway": 30, "claims": {"user": "sub"}}, {"alias": "jobs"}]}
    more = {"issuers": [{"alias": "ci", "kind": "workload"}, {"alias": "people", "claims": {"groups": "roles"}}]}
    assert configuration.merge(base, more) == {
        "issuers": [
            {"alias": "people", "leeway": 30, "claims": {"user": "sub", "groups": "roles"}},
            {"alias": "jobs"},
            {"alias": "ci", "kind": "workload"},
        ]
    }


def test_other_lists_are_replaced():
    assert configuration.merge({"a": {"b": [1]}}, {"a": {"b": [2]}}) == {"a": {"b": [2]}}
