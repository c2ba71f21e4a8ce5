from dataclasses import replace

import pytest

from gateway.catalog.boundaries import VERSION_1
from gateway.catalog.page import MAX_PAGE_BYTES, Child, Index, Leaf, decode, encode
from gateway.errors import IntegrityError, InvalidInput

CHILD = Child("a", 1, 2, "0" * 64)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", ""),
        ("path", "a\nb"),
        ("path", "\ud800"),
        ("object_id", "a\nb"),
        ("size", -1),
        ("size", 1 << 64),
        ("epoch", 1 << 32),
        ("sha256", "0" * 63),
        ("sha256", "A" * 64),
        ("sha256", " " * 64),
        ("sha256", "g" * 64),
        ("key_check", "0" * 64),
    ],
)
def test_a_field_that_does_not_fit_is_refused(entry, field, value):
    with pytest.raises(InvalidInput, match="cannot hold"):
        encode(Leaf((replace(entry("a"), **{field: value}),)))


def test_hashes_of_wrong_lengths_that_add_up_are_refused(entry):
    short, long = replace(entry("a"), sha256="0" * 62), replace(entry("b"), sha256="0" * 66)
    with pytest.raises(InvalidInput):
        encode(Leaf((short, long)))


@pytest.mark.parametrize("paths", [("b", "a"), ("a", "a")])
def test_paths_out_of_order_or_twice_are_refused(entry, paths):
    with pytest.raises(InvalidInput, match="sort after"):
        encode(Leaf(tuple(map(entry, paths))))


@pytest.mark.parametrize("children", [(), (CHILD, CHILD)])
def test_an_index_needs_children_and_none_twice(children):
    with pytest.raises(InvalidInput):
        encode(Index(children))


def test_a_page_over_the_limit_is_not_written(entry):
    huge = replace(entry("a"), object_id="x" * MAX_PAGE_BYTES)
    with pytest.raises(InvalidInput, match="over the limit"):
        encode(Leaf((huge,)))


def test_a_page_over_the_limit_is_not_read():
    with pytest.raises(IntegrityError, match="more than"):
        decode(bytes(MAX_PAGE_BYTES + 1))


def test_the_largest_pages_are_within_the_limit(entry):
    leaf = Leaf(tuple(entry(f"{i:04}" + "x" * 1020) for i in range(VERSION_1.leaves.largest)))
    index = Index(tuple(replace(CHILD, first=f"{i:04}" + "x" * 1020) for i in range(VERSION_1.indexes.largest)))
    assert max(len(encode(leaf)), len(encode(index))) <= MAX_PAGE_BYTES


def test_paths_sort_by_code_point_as_their_bytes_do(entry):
    leaf = Leaf(tuple(map(entry, ["Z", "a", "é", "\uffee", "\U0001f600"])))
    assert decode(encode(leaf)) == leaf
