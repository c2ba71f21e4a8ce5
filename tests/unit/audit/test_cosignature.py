"""Cosignatures, held against the example of their specification (c2sp.org/tlog-cosignature)."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.cosignature import Cosignature, WitnessKey, cosigned_message, read_cosignatures
from gateway.audit.note import VerifierKey, add_signature
from gateway.errors import InvalidProof

TEXT = "example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
LOG, ALICE = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEY = WitnessKey("witness.example/alice", ALICE.public_key().public_bytes_raw())
NOTE = add_signature(
    TEXT, VerifierKey("example.com/log", LOG.public_key().public_bytes_raw()), LOG.sign(TEXT.encode())
).encode()


def cosigned(seconds=1679315147, *, text=TEXT, private=ALICE, cut=0):
    stamped = seconds.to_bytes(8, "big") + private.sign(cosigned_message(text, seconds))
    data = KEY.id + stamped[: len(stamped) - cut]
    return NOTE + f"— {KEY.name} {base64.b64encode(data).decode()}\n".encode()


@pytest.mark.parametrize(
    "note",
    [
        cosigned(text=TEXT.replace("7", "8")),
        cosigned(private=LOG),
        cosigned(cut=1),
        cosigned(2**63),
        cosigned(2**50),
        b"no note",
    ],
    ids=["another checkpoint", "another key", "too short", "no time", "a time that no calendar has", "no note"],
)
def test_what_the_witness_did_not_sign_is_refused(note):
    with pytest.raises(InvalidProof):
        read_cosignatures(note, [KEY])


def test_another_time_is_another_signature():
    moved = bytearray(base64.b64decode(cosigned().rpartition(b" ")[2]))
    moved[11] ^= 1
    note = NOTE + f"— {KEY.name} {base64.b64encode(moved).decode()}\n".encode()
    with pytest.raises(InvalidProof, match="forged"):
        read_cosignatures(note, [KEY])


def test_a_cosignature_says_who_and_when():
    assert read_cosignatures(cosigned(), [KEY]) == [
        Cosignature("witness.example/alice", datetime.fromtimestamp(1679315147, UTC))
    ]


def test_signatures_by_others_are_passed_over():
    stranger = WitnessKey(KEY.name, bytes(32))
    assert read_cosignatures(cosigned(), [stranger]) == read_cosignatures(NOTE, [KEY]) == []


def test_a_key_is_written_as_it_is_read_and_is_no_logs_key():
    assert WitnessKey.parse(str(KEY)) == KEY
    with pytest.raises(InvalidProof, match="type 4"):
        WitnessKey.parse(str(VerifierKey(KEY.name, KEY.public)))
    with pytest.raises(InvalidProof, match="type 1"):
        VerifierKey.parse(str(KEY))


def test_the_key_id_is_the_specifications():
    # The cosignature of the specification's example begins with the id of its witness's key.
    line = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    data = base64.b64decode(line)
    assert (len(data), int.from_bytes(data[4:12], "big")) == (76, 1679315147)
