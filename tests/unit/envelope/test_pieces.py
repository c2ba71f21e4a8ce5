import pytest

from gateway.envelope import Encryptor, decrypt_stream, encrypt_stream
from gateway.envelope.pieces import Cutter

DATA = bytes(range(100))


def cut(chunks, *sizes):
    cutter = Cutter(*sizes)
    found = [bytes(piece) for chunk in chunks for piece in cutter.cut(chunk)]
    return [*found, bytes(cutter.rest())]


def test_nothing_is_taken_after_the_end(object_key):
    encryptor = Encryptor(object_key)
    encryptor.finalize()
    with pytest.raises(ValueError, match="ended or failed"):
        encryptor.update(b"more")
    with pytest.raises(ValueError, match="ended or failed"):
        encryptor.finalize()


def test_nothing_is_taken_after_a_run_was_left(object_key):
    encryptor = Encryptor(object_key)
    next(encryptor.run([bytes(5_000_000)]))
    with pytest.raises(ValueError, match="ended or failed"):
        encryptor.update(b"more")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))])
@pytest.mark.parametrize("length", [1, 3, 7, 10, 13, 20, 50, 100])
def test_pieces_do_not_depend_on_the_chunks(kind, length):
    chunks = [kind(DATA[at : at + length]) for at in range(0, 100, length)]
    assert cut(chunks, 3, 10) == [DATA[:3], *(DATA[at : min(at + 10, 100)] for at in range(3, 100, 10))]


def test_a_whole_piece_of_immutable_bytes_is_not_copied():
    piece = next(Cutter(100).cut(DATA))
    assert piece.obj is DATA


def test_a_chunk_may_change_after_it_was_taken():
    cutter, chunk = Cutter(10), bytearray(DATA[:10])
    (piece,) = cutter.cut(chunk)
    chunk[:] = bytes(10)
    assert piece == DATA[:10]


def test_a_piece_lasts_until_the_one_after_the_next():
    cutter = Cutter(10)
    pieces = [piece for at in range(0, 20, 5) for piece in cutter.cut(DATA[at : at + 5])]
    assert [bytes(piece) for piece in pieces] == [DATA[:10], DATA[10:20]]


def test_chunks_of_wider_items_count_in_bytes(object_key):
    wide = memoryview(bytes(80)).cast("Q")
    assert b"".join(decrypt_stream(object_key, encrypt_stream(object_key, [wide]), plaintext_size=80)) == bytes(80)
