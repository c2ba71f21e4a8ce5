"""Makes inclusion proofs from a journal's folder: finds the record, and the newest checkpoint that covers it."""

import re
from pathlib import Path

from gateway.audit.checkpoint import open_checkpoint
from gateway.audit.merkle import inclusion_path
from gateway.audit.proof import check_proof, write_proof
from gateway.audit.record import parse
from gateway.audit.segments import read_after, read_lines
from gateway.audit.tree import FOLDER, Tree
from gateway.errors import InvalidInput, InvalidProof, NotFound

_UID = re.compile(r"[0-9a-f]{32}")
_SEQ = re.compile(r"[1-9][0-9]{0,15}")


def prove(journal: Path, event: str) -> bytes:
    """Return the proof that the record with this number, or the event with this uid, is in the signed journal.

    Raises:
        InvalidInput: `event` is neither a number nor a uid.
        NotFound: the journal has no such record, or no checkpoint covers it yet.
        InvalidProof: the tree is damaged, or is not what was signed.
    """
    line = _find(journal, event)
    record = parse(line)
    if record is None:
        raise NotFound(f"The journal in {journal} has no record {event}.")
    tree = Tree(journal / FOLDER)
    note = tree.newest()
    checkpoint = open_checkpoint(note, tree.keys()) if note else None
    if note is None or checkpoint is None or checkpoint.size < record.seq:
        raise NotFound(f"No signed checkpoint covers record {record.seq} yet.", hint="One follows soon; try again.")
    index = record.seq - 1
    proof = write_proof(line, index, inclusion_path(index, checkpoint.size, tree.nodes(checkpoint.size)), note)
    try:
        check_proof(proof, tree.keys())
    except InvalidProof as error:
        hint = f"gateway audit verify tells which; without {tree.folder / 'tile'}, a restart makes the tree anew."
        raise InvalidProof(f"Record {record.seq} or the tree is not what was signed.", hint=hint) from error
    return proof


def _find(journal: Path, event: str) -> bytes:
    if _SEQ.fullmatch(event):
        found = read_after(journal, int(event) - 1, 1)
        return found[0] if found and found[0].startswith(b'{"seq":%d,' % int(event)) else b""
    if not _UID.fullmatch(event):
        raise InvalidInput(
            f"{event[:80]!r} names no event.", hint="Give a record's number, or an event's metadata.uid."
        )
    named = b'"uid":"%b"' % event.encode()
    return next((line for line in read_lines(journal) if named in line and _uid(line) == event), b"")


def _uid(line: bytes) -> object:
    record = parse(line)
    metadata = record.read_event().get("metadata") if record else None
    return metadata.get("uid") if isinstance(metadata, dict) else None
