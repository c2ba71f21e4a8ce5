"""Makes the envelope's vectors: one scenario a file, with what a reader must say to it. FORMAT.md has the fields."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from gateway.envelope import HEADER_BYTES, SEGMENT_BYTES, TAG_BYTES, key_check, seal

KEY = sha256(b"object key").digest()
OTHER_KEY = sha256(b"another object key").digest()
SHOWN_BYTES = 1024
"""A ciphertext up to this size is in the file; a longer one is made from its plaintext, and known by its SHA-256."""

PIECE = SEGMENT_BYTES - TAG_BYTES
FIRST = PIECE - HEADER_BYTES
TWO = FIRST + PIECE
"""Plaintext that fills two segments."""
THREE = TWO + 1000

Edit = Mapping[str, Any]


def plaintext(size: int) -> bytes:
    """Return the vectors' plaintext: byte i is i mod 251, so that no two segments are alike."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def randomness(name: str) -> Any:
    """Return what stands in for randomness: SHA-256 of name and size, so that the vectors are the same each time."""
    return lambda size: sha256(f"{name} {size}".encode()).digest()[:size]


def edited(ciphertext: bytes, edits: Sequence[Edit]) -> bytes:
    """Return what becomes of a ciphertext after each edit in turn."""
    for edit in edits:
        match edit:
            case {"flip": at}:
                ciphertext = ciphertext[:at] + bytes((ciphertext[at] ^ 1,)) + ciphertext[at + 1 :]
            case {"keep": size}:
                ciphertext = ciphertext[:size]
            case {"append": more}:
                ciphertext += bytes.fromhex(more)
            case {"header": header}:
                ciphertext = bytes.fromhex(header) + ciphertext[HEADER_BYTES:]
            case {"segments": order}:
                cuts = [HEADER_BYTES, *range(SEGMENT_BYTES, len(ciphertext), SEGMENT_BYTES), len(ciphertext)]
                parts = [ciphertext[cuts[n] : cuts[n + 1]] for n in order]
                ciphertext = ciphertext[:HEADER_BYTES] + b"".join(parts)
    return ciphertext


def vector(name: str, comment: str, size: int, expect: str = "success", *edits: Edit, **changes: Any) -> dict[str, Any]:
    """Return one scenario. `changes` replace what the reader is given: its key, the check, the size it expects."""
    sealed = seal(KEY, plaintext(size), randomness=randomness(name))
    ciphertext = edited(sealed, edits)
    return {
        "name": name,
        "comment": comment,
        "expect": expect,
        "object_key": KEY.hex(),
        "key_check": key_check(KEY),
        "header": sealed[:HEADER_BYTES].hex(),
        "plaintext_size": size,
        "edits": edits,
        "ciphertext_size": len(ciphertext),
        "ciphertext_sha256": sha256(ciphertext).hexdigest(),
        "ciphertext": ciphertext.hex() if len(ciphertext) <= SHOWN_BYTES else None,
        "reader": {"object_key": KEY.hex(), "key_check": key_check(KEY), "plaintext_size": size} | changes,
    }


def good() -> Iterator[dict[str, Any]]:
    """Sizes around every boundary."""
    yield vector("empty", "No plaintext: one segment, which is only a tag.", 0)
    yield vector("one_byte", "The least that is not empty.", 1)
    yield vector("first_segment_less_one", "One byte short of a full first segment.", FIRST - 1)
    yield vector("first_segment_full", "The first segment is full and the last: no empty segment follows.", FIRST)
    yield vector("first_segment_and_one", "The second segment holds one byte.", FIRST + 1)
    yield vector("two_segments_full", "Two full segments.", TWO)
    yield vector("two_segments_and_one", "The third segment holds one byte.", TWO + 1)
    yield vector("nothing_known", "A reader that knows only the key.", 1000, key_check=None, plaintext_size=None)


def wrong_key() -> Iterator[dict[str, Any]]:
    """Keys that are not the object's."""
    other = {"object_key": OTHER_KEY.hex()}
    yield vector("wrong_key", "The key check tells before anything is read.", 1000, "wrong-key", **other)
    yield vector("short_key", "A key of 31 bytes.", 1000, "wrong-key", object_key=KEY.hex()[2:], key_check=None)
    yield vector(
        "wrong_key_unchecked",
        "Without the check it looks like an altered first segment.",
        1000,
        "ciphertext-tampered",
        **other,
        key_check=None,
    )


def truncated() -> Iterator[dict[str, Any]]:
    """Ciphertexts that end too soon."""
    blind = {"plaintext_size": None}
    for name, size, keep in (
        ("nothing", 1000, 0),
        ("within_header", 1000, HEADER_BYTES - 1),
        ("after_header", 1000, HEADER_BYTES),
        ("within_last_tag", 1000, HEADER_BYTES + 1000 + TAG_BYTES - 1),
        ("within_segment", THREE, SEGMENT_BYTES + 70_000),
        ("before_last_segment", THREE, 2 * SEGMENT_BYTES),
    ):
        comment = f"Only the first {keep} bytes came."
        yield vector(f"truncated_{name}", comment, size, "ciphertext-truncated", {"keep": keep})
    for name, size, keep in (
        ("after_header", 1000, HEADER_BYTES),
        ("after_first_segment", THREE, SEGMENT_BYTES),
        ("before_last_segment", THREE, 2 * SEGMENT_BYTES),
    ):
        comment = "The reader does not know the size, but the segment that came last says that others follow."
        yield vector(f"truncated_{name}_unknown_size", comment, size, "ciphertext-truncated", {"keep": keep}, **blind)
    comment = "The reader does not know the size: a segment that is cut cannot be told from one that is altered."
    yield vector(
        "truncated_within_segment_unknown_size", comment, THREE, "ciphertext-tampered", {"keep": 1_200_000}, **blind
    )


def tampered() -> Iterator[dict[str, Any]]:
    """Ciphertexts that are not what was written."""
    end = HEADER_BYTES + THREE + 3 * TAG_BYTES
    for name, at in (
        ("header_length", 0),
        ("salt", 1),
        ("nonce_prefix", HEADER_BYTES - 1),
        ("first_segment", HEADER_BYTES),
        ("first_tag", SEGMENT_BYTES - 1),
        ("second_segment", SEGMENT_BYTES),
        ("last_segment", 2 * SEGMENT_BYTES),
        ("last_tag", end - 1),
    ):
        yield vector(f"flipped_{name}", f"Bit 0 of byte {at} is flipped.", THREE, "ciphertext-tampered", {"flip": at})
    blind = {"plaintext_size": None}
    for name, size, order in (
        ("swapped", TWO + PIECE, [0, 2, 1]),
        ("first_moved", TWO + PIECE, [1, 0, 2]),
        ("duplicated", THREE, [0, 1, 1, 2]),
        ("dropped", THREE, [0, 2]),
        ("last_twice", TWO, [0, 1, 1]),
    ):
        comment = f"The segments come in the order {order}."
        yield vector(f"segments_{name}", comment, size, "ciphertext-tampered", {"segments": order}, **blind)
    for name, size in (("short_segment", 1000), ("full_segment", FIRST)):
        more = {"append": "00"}
        yield vector(f"trailing_byte_after_{name}", "A byte follows the end.", size, "ciphertext-tampered", more)
        comment = "A byte follows the end, and the reader does not know the size."
        expect = "ciphertext-tampered"
        yield vector(f"trailing_byte_after_{name}_unknown_size", comment, size, expect, more, **blind)
    header = seal(KEY, b"", randomness=randomness("empty"))[:HEADER_BYTES].hex()
    comment = "The header is another object's, under the same object key."
    yield vector("header_swapped", comment, 1000, "ciphertext-tampered", {"header": header})


def main(folder: Path) -> None:
    """Write every scenario to its file."""
    folder.mkdir(parents=True, exist_ok=True)
    for made in chain(good(), wrong_key(), truncated(), tampered()):
        (folder / f"{made['name']}.json").write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
