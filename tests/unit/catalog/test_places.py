import hashlib
from dataclasses import replace

import pytest

from gateway.catalog.page import Child, Index, Leaf, Place, encode
from gateway.catalog.places import decode_stored, encode_places
from gateway.errors import IntegrityError, InvalidInput

PACKS = [f"{digit * 32}/{digit * 64}" for digit in "ab"]
INDEX = Index(
    tuple(Child(first, 1, 2, "0" * 64, Place(PACKS[number % 2], number, 9)) for number, first in enumerate("abc"))
)


def stored(page):
    return encode(page) + encode_places(page), hashlib.sha256(encode(page)).hexdigest()


def test_a_page_with_a_child_that_is_nowhere_is_not_stored():
    nowhere = replace(INDEX.children[0], place=None)
    with pytest.raises(InvalidInput, match="no place"):
        encode_places(Index((nowhere,)))


def test_places_come_back_with_the_page():
    found = decode_stored(*stored(INDEX))
    assert [child.place for child in found.children] == [child.place for child in INDEX.children]
    assert found == INDEX


def test_the_digest_says_nothing_of_places():
    elsewhere = Index(tuple(replace(child, place=Place(PACKS[0])) for child in INDEX.children))
    assert stored(elsewhere)[1] == stored(INDEX)[1]
    assert stored(elsewhere)[0] != stored(INDEX)[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda held: held[:10],
        lambda held: held[:60],
        lambda held: held[:-1],
        lambda held: held + b"x",
        lambda held: held[:-36] + b"\xff" * 4 + held[-32:],
        lambda held: held.replace(b"GMP\x01", b"GMP\x02"),
    ],
    ids=["no header", "half a page", "too short", "too long", "a pack that is not listed", "another version"],
)
def test_anything_else_is_no_stored_page(spoil):
    held, digest = stored(INDEX)
    with pytest.raises(IntegrityError):
        decode_stored(spoil(held), digest)


def test_a_leaf_is_followed_by_nothing():
    held, digest = stored(Leaf(()))
    assert decode_stored(held, digest) == Leaf(())
    with pytest.raises(IntegrityError, match="followed"):
        decode_stored(held + b"x", digest)
