"""Each file of audit-log/ is a signed journal or a proof, and says what was done to it; null where nothing was.

Written by scripts/gen_audit_log_vectors.
"""

import base64
import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.evidence import verify_signed
from gateway.audit.note import VerifierKey
from gateway.audit.proof import check_proof
from gateway.errors import InvalidProof, JournalBroken

VECTORS = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "audit-log").glob("*.json")}


def named(prefix, *, good):
    return sorted(
        name for name, vector in VECTORS.items() if name.startswith(prefix) and (vector["says"] is None) == good
    )


def verify(vector):
    leaves = [base64.b64decode(leaf) for leaf in vector["leaves"]]
    return verify_signed(
        [line.encode() for line in vector["journal"]],
        notes=[note.encode() for note in vector["checkpoints"]],
        keys=[VerifierKey.parse(vector["key"])],
        known=[note.encode() for note in vector["known"]],
        leaves=lambda size, start: leaves[start:size],
        instance="gateway-1",
    )


def check(vector):
    return check_proof(vector["proof"].encode(), [VerifierKey.parse(vector["key"])])


@pytest.mark.parametrize("name", named("journal-", good=False))
def test_what_was_done_to_a_signed_journal_is_named(name):
    with pytest.raises(JournalBroken, match=re.escape(VECTORS[name]["says"])):
        verify(VECTORS[name])


@pytest.mark.parametrize("name", named("proof-", good=False))
def test_a_proof_that_does_not_hold_is_named(name):
    with pytest.raises(InvalidProof, match=re.escape(VECTORS[name]["says"])):
        check(VECTORS[name])


@pytest.mark.parametrize("name", named("journal-", good=True))
def test_a_whole_signed_journal_verifies(name):
    vector = VECTORS[name]
    evidence = verify(vector)
    assert evidence.report.count == len(vector["journal"])
    assert evidence.checkpoints == len(vector["checkpoints"]) + len(vector["known"])


@pytest.mark.parametrize("name", named("proof-", good=True))
def test_a_proof_holds(name):
    proven = check(VECTORS[name])
    assert (proven.record.seq, proven.checkpoint.size) == ({"first": 1, "third": 3, "last": 6}[name[6:]], 6)


def test_every_fault_has_a_vector():
    kinds = {name.split("-")[1] for name in named("journal-", good=False)}
    assert kinds == {"altered", "removed", "reordered", "inserted", "truncated", "forged", "rolled", "forked"}


def test_a_proof_holds_by_the_words_of_the_specifications_without_our_code():
    head, checkpoint, signatures = VECTORS["proof-third"]["proof"].split("\n\n")
    _, extra, index, *path = head.split("\n")
    record = base64.b64decode(extra.removeprefix("extra "))
    covered, _, claimed = record.rpartition(b',"hash":"')
    assert sha256(covered).hexdigest().encode() == claimed[:-2]
    node = sha256(b"\x00" + sha256(covered).digest()).digest()
    beside = [base64.b64decode(one) for one in path]
    node = sha256(b"\x01" + node + beside[0]).digest()  # record 3 is a left leaf, in the right half of the first four
    node = sha256(b"\x01" + beside[1] + node).digest()
    node = sha256(b"\x01" + node + beside[2]).digest()
    _, size, root = checkpoint.split("\n")
    assert (index, size, base64.b64decode(root)) == ("index 2", "6", node)
    name, _, key = VECTORS["proof-third"]["key"].split("+", 2)
    public = base64.b64decode(key)[1:]
    _, signer, signature = signatures.split()
    assert signer == name
    Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature)[4:], f"{checkpoint}\n".encode())
