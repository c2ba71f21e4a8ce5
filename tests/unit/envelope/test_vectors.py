import json
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.envelope import key_check, open_sealed, seal
from gateway.errors import GatewayError, by_code

FOLDER = Path(__file__).parents[2] / "vectors" / "envelope"
VECTORS = sorted(FOLDER.glob("*.json"))


@pytest.fixture(params=VECTORS, ids=lambda path: path.stem)
def vector(request):
    return json.loads(request.param.read_text())


@pytest.fixture
def ciphertext(vector, vectors):
    """Made again from the plaintext and the header, then edited as the vector says."""
    key, header = bytes.fromhex(vector["object_key"]), bytes.fromhex(vector["header"])
    drawn = iter((header[1:33], header[33:]))
    sealed = seal(key, vectors.plaintext(vector["plaintext_size"]), randomness=lambda _: next(drawn))
    return vectors.edited(sealed, vector["edits"])


def read(vector, ciphertext):
    known = vector["reader"]
    key = bytes.fromhex(known["object_key"])
    return open_sealed(key, ciphertext, key_check=known["key_check"], plaintext_size=known["plaintext_size"])


def test_vectors_are_there():
    assert len(VECTORS) > 30


def test_the_ciphertext_is_the_vectors(vector, ciphertext):
    assert len(ciphertext) == vector["ciphertext_size"]
    assert sha256(ciphertext).hexdigest() == vector["ciphertext_sha256"]
    assert vector["ciphertext"] in {None, ciphertext.hex()}
    assert key_check(bytes.fromhex(vector["object_key"])) == vector["key_check"]


def test_the_reader_says_what_the_vector_expects(vector, vectors, ciphertext):
    if vector["expect"] == "success":
        assert read(vector, ciphertext) == vectors.plaintext(vector["plaintext_size"])
    else:
        with pytest.raises(GatewayError) as refusal:
            read(vector, ciphertext)
        assert type(refusal.value) is by_code()[vector["expect"]]


def test_the_script_makes_the_same_vectors_again(vectors, tmp_path):
    vectors.main(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in VECTORS}
