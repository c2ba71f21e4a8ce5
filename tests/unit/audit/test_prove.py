import base64
import json

import pytest

from gateway.audit.proof import MAX_PROOF_BYTES, check_proof
from gateway.audit.prove import prove
from gateway.audit.segments import list_segments, read_lines
from gateway.errors import InvalidInput, InvalidProof, NotFound

pytestmark = pytest.mark.anyio


@pytest.fixture
async def folder(notarise, an_event, tmp_path):
    """A journal of 302 records, of which 301 are covered."""
    journal, notary = await notarise()
    await journal.append_all([an_event() for _ in range(300)])
    await notary.round()
    await journal.close()
    return tmp_path / "gateway-1"


@pytest.mark.parametrize("event", ["", "0", "-1", "1 ", "zzz", "a" * 31, "A" * 32, "9" * 17, "../x"])
async def test_what_names_no_event_is_refused(folder, event):
    with pytest.raises(InvalidInput, match="names no event"):
        prove(folder, event)


@pytest.mark.parametrize("event", ["303", "9" * 16, "0" * 32])
async def test_an_event_that_is_not_there_is_not_found(folder, event):
    with pytest.raises(NotFound, match="has no record"):
        prove(folder, event)


async def test_a_record_that_is_not_covered_yet_has_no_proof(folder):
    with pytest.raises(NotFound, match="covers record 302 yet"):
        prove(folder, "302")


async def test_a_journal_that_was_never_signed_proves_nothing(folder):
    (folder / "tree/checkpoint").unlink()
    with pytest.raises(NotFound, match="covers record 7 yet"):
        prove(folder, "7")


async def test_an_altered_record_has_no_proof(folder):
    (segment,) = list_segments(folder)
    lines = list(read_lines(folder))
    lines[6] = lines[6].replace(b"allow", b"Allow", 1)
    segment.write_bytes(b"".join(lines))
    with pytest.raises(InvalidProof, match="Record 7 or the tree is not what was signed"):
        prove(folder, "7")


async def test_each_record_is_proved_by_the_public_key_alone(folder, signer):
    lines = list(read_lines(folder))
    for seq in (1, 2, 255, 256, 257, 300, 301):
        proven = check_proof(prove(folder, str(seq)), signer.verifiers())
        assert (proven.record.seq, proven.checkpoint.size) == (seq, 301)
        uid = json.loads(lines[seq - 1])["event"]["metadata"]["uid"]
        assert prove(folder, uid) == prove(folder, str(seq))
        assert proven.record.read_event()["metadata"]["uid"] == uid


async def test_a_proof_of_a_stranger_or_without_a_key_shows_nothing(folder, signer):
    proof = prove(folder, "7")
    signer.rotate()
    for keys in ([], signer.verifiers()[1:], signer.verifiers("other.example")):
        with pytest.raises(InvalidProof):
            check_proof(proof, keys)


async def test_a_proof_with_anything_changed_shows_nothing(folder, signer):
    proof = prove(folder, "7")
    for at in range(len(proof)):
        changed = bytearray(proof)
        changed[at] ^= 1
        with pytest.raises(InvalidProof):
            check_proof(bytes(changed), signer.verifiers())


async def test_a_record_put_in_the_place_of_another_is_not_proved(folder, signer):
    other = base64.b64encode(list(read_lines(folder))[7][:-1])
    lines = prove(folder, "7").split(b"\n")
    lines[1] = b"extra " + other
    with pytest.raises(InvalidProof, match="not the one of this place"):
        check_proof(b"\n".join(lines), signer.verifiers())
    lines[2] = b"index 7"
    with pytest.raises(InvalidProof, match="does not lead from record 8"):
        check_proof(b"\n".join(lines), signer.verifiers())


async def test_what_is_no_proof_is_refused(signer, folder):
    proof = prove(folder, "7")
    for wrong in (
        b"",
        proof.replace(b"@v1", b"@v2"),
        proof + b" " * MAX_PROOF_BYTES,
        proof.replace(b"extra ", b"extra ="),
    ):
        with pytest.raises(InvalidProof):
            check_proof(wrong, signer.verifiers())


async def test_a_proof_is_written_as_the_specification_has_it(folder):
    proof = prove(folder, "7").decode()
    head, text, signatures = proof.split("\n\n")
    first, extra, index, *path = head.split("\n")
    assert (first, index) == ("c2sp.org/tlog-proof@v1", "index 6")
    assert base64.b64decode(extra.removeprefix("extra ")) == list(read_lines(folder))[6][:-1]
    assert len(path) == 9
    assert text.splitlines()[:2] == ["gateway.example.com/audit/gateway-1", "301"]
    assert signatures.startswith("— gateway.example.com/audit/gateway-1 ")
