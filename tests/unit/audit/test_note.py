import base64

import pytest

from gateway.audit.note import MAX_NOTE_BYTES, VerifierKey, add_signature, open_note, split_note
from gateway.errors import InvalidProof

# The key and note that Go's golang.org/x/mod/sumdb/note is documented and tested with.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
NOTE = f"{TEXT}\n{SIGNATURE}".encode()


@pytest.fixture
def peter():
    return VerifierKey.parse(PETER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "MrsNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_what_is_no_verifier_key_is_refused(text):
    with pytest.raises(InvalidProof):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        TEXT.encode(),
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace("—".encode(), b"-"),
        NOTE.replace(b"\n\n", b"\n"),
        NOTE.replace(b"If", b"I\x00f"),
        NOTE.replace(b"If", b"\xff"),
        NOTE.replace(b"BwJnAM=", b"BwJnAN="),
        NOTE + b"garbage\n",
        NOTE.replace(b"PeterNeumann x08", "— PeterNeumann  x08".encode()),
        b"a" * MAX_NOTE_BYTES + NOTE,
    ],
)
def test_what_is_no_note_is_refused(peter, note):
    with pytest.raises(InvalidProof):
        open_note(note, [peter])


@pytest.mark.parametrize("note", [NOTE.replace(b"answer", b"ANSWER"), NOTE.replace(b"ZJkuBS9UG", b"ZJkuBS9UH")])
def test_an_altered_text_or_signature_is_forged(peter, note):
    with pytest.raises(InvalidProof, match="PeterNeumann is forged"):
        open_note(note, [peter])


@pytest.mark.parametrize(
    ("name", "public"), [("a b", bytes(32)), ("a+b", bytes(32)), ("", bytes(32)), ("x", bytes(31))]
)
def test_a_key_has_one_word_for_a_name_and_32_bytes(name, public):
    with pytest.raises(InvalidProof, match="no key's name"):
        VerifierKey(name, public)


def test_a_note_is_worth_nothing_without_a_known_key(peter):
    other = VerifierKey("PeterNeumann", bytes(32))
    for keys in ([], [other], [VerifierKey("Petra", peter.public)]):
        with pytest.raises(InvalidProof, match="none of the keys"):
            open_note(NOTE, keys)


def test_a_signature_that_is_wrong_spoils_a_note_that_another_signed(peter, signer):
    (key,) = signer.verifiers("second.example")
    both = NOTE + f"— {key.name} {base64.b64encode(key.id + bytes(64)).decode()}\n".encode()
    assert open_note(both, [peter]) == TEXT
    with pytest.raises(InvalidProof, match=r"second\.example is forged"):
        open_note(both, [peter, key])


def test_a_note_of_another_implementation_opens(peter):
    assert str(peter) == PETER
    assert open_note(NOTE, [peter]) == TEXT
    assert [name for name, _ in split_note(NOTE)[1]] == ["PeterNeumann"]


def test_a_text_may_have_empty_lines_and_a_note_many_signatures(peter):
    signature = base64.b64decode(SIGNATURE.rsplit(maxsplit=1)[-1])[4:]
    assert add_signature(TEXT, peter, signature).encode() == NOTE
    strangers = "".join(f"— other{n}.example {base64.b64encode(bytes(68)).decode()}\n" for n in range(16)).encode()
    assert open_note(NOTE + strangers, [peter]) == TEXT
    assert split_note(b"a\n\nb\n\n" + strangers)[0] == "a\n\nb\n"
