"""Inclusion proofs (C2SP tlog-proof): one record, and all that shows that a signed checkpoint covers it. Pure.

What is proved is a record's hash, which is the tree's entry (FORMAT.md, section 7); the record itself travels as the
proof's extra data, and is held against that hash.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.audit.checkpoint import Checkpoint, open_checkpoint
from gateway.audit.merkle import Hash, leaf_hash, root_of_path
from gateway.audit.note import VerifierKey, read_base64
from gateway.audit.record import Record, entry_of, is_whole, parse
from gateway.errors import InvalidProof

MAX_PROOF_BYTES = 8 << 20

_PROOF = re.compile(
    rb"c2sp\.org/tlog-proof@v1\nextra ([A-Za-z0-9+/=]+)\nindex (0|[1-9][0-9]{0,15})\n"
    rb"((?:[A-Za-z0-9+/]{43}=\n){0,63})\n(.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Proven:
    """A record, and the checkpoint that covers it."""

    record: Record
    checkpoint: Checkpoint


def write_proof(line: bytes, index: int, path: Sequence[Hash], note: bytes) -> bytes:
    """Return the proof that the record is entry `index`, counted from 0, of the tree in the checkpoint's note."""
    hashes = b"".join(base64.b64encode(one) + b"\n" for one in path)
    extra = base64.b64encode(line.removesuffix(b"\n"))
    return b"c2sp.org/tlog-proof@v1\nextra %b\nindex %d\n%b\n%b" % (extra, index, hashes, note)


def check_proof(proof: bytes, keys: Iterable[VerifierKey]) -> Proven:
    """Return what a proof shows, given nothing but the log's public key.

    Raises:
        InvalidProof: it does not hold; the message says why.
    """
    found = _PROOF.fullmatch(proof) if len(proof) <= MAX_PROOF_BYTES else None
    if not found:
        raise InvalidProof("This is no proof of a record: it is not written as c2sp.org/tlog-proof has it.")
    line, index = read_base64(found[1].decode()) + b"\n", int(found[2])
    path = [read_base64(one.decode()) for one in found[3].splitlines()]
    record = parse(line) if is_whole(line) else None
    if record is None or record.seq != index + 1:
        raise InvalidProof("The record in the proof was altered: it is not the one of this place.")
    checkpoint = open_checkpoint(found[4], keys)
    if root_of_path(leaf_hash(entry_of(line)), index, checkpoint.size, path) != checkpoint.root:
        raise InvalidProof(f"The proof does not lead from record {record.seq} to the checkpoint's root.")
    return Proven(record, checkpoint)
