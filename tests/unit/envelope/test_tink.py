"""Tink's own implementation reads ours, and we read Tink's."""

import io

import pytest
import tink as tink_package

from gateway.envelope import Reader, decrypt_file, encrypt_file, open_sealed, seal


def test_tink_refuses_what_we_altered(tink, object_key):
    altered = bytearray(seal(object_key, b"digits"))
    altered[-1] ^= 1
    with pytest.raises(tink_package.TinkError):
        tink.open(bytes(altered))


def test_tink_opens_ours(tink, object_key, plaintext, size):
    assert tink.open(seal(object_key, plaintext(size))) == plaintext(size)


def test_we_open_tinks(tink, object_key, plaintext, size):
    assert open_sealed(object_key, tink.seal(plaintext(size)), plaintext_size=size) == plaintext(size)


def test_tink_opens_our_files(tink, object_key, plaintext, size):
    sink = io.BytesIO()
    encrypt_file(object_key, io.BytesIO(plaintext(size)), sink)
    assert tink.open(sink.getvalue()) == plaintext(size)


def test_we_open_tinks_files(tink, object_key, plaintext, size):
    sink = io.BytesIO()
    decrypt_file(object_key, io.BytesIO(tink.seal(plaintext(size))), sink)
    assert sink.getvalue() == plaintext(size)


def test_we_read_ranges_of_tinks(tink, object_key, plaintext):
    ciphertext = tink.seal(plaintext(3_500_000))
    reader = Reader(object_key, lambda at, size: ciphertext[at : at + size], plaintext_size=3_500_000)
    reader.seek(2_000_000)
    assert reader.read(200_000) == plaintext(3_500_000)[2_000_000:2_200_000]
