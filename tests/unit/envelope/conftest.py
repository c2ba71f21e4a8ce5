"""A key, plaintext, Tink as the oracle, and the script that makes the vectors."""

import importlib.util
import io
from hashlib import sha256
from pathlib import Path

import pytest
from tink import proto_keyset_format, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

ROOT = Path(__file__).parents[3]


class Tink:
    """Google's own implementation of AES256_GCM_HKDF_1MB, under one key."""

    def __init__(self, object_key):
        key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(key_value=object_key)
        key.params.ciphertext_segment_size = 1024 * 1024
        key.params.derived_key_size = 32
        key.params.hkdf_hash_type = common_pb2.SHA256
        keyset = tink_pb2.Keyset(primary_key_id=1)
        keyset.key.add(
            key_id=1,
            status=tink_pb2.ENABLED,
            output_prefix_type=tink_pb2.RAW,
            key_data=tink_pb2.KeyData(
                type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
                value=key.SerializeToString(),
                key_material_type=tink_pb2.KeyData.SYMMETRIC,
            ),
        )
        handle = proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
        self._primitive = handle.primitive(streaming_aead.StreamingAead)

    def seal(self, plaintext):
        sink = Kept()
        with self._primitive.new_encrypting_stream(sink, b"") as stream:
            stream.write(plaintext)
        return sink.kept

    def open(self, ciphertext):
        with self._primitive.new_decrypting_stream(io.BytesIO(ciphertext), b"") as stream:
            return stream.read()


class Kept(io.BytesIO):
    """Tink closes what it writes to; this keeps the bytes."""

    kept = b""

    def close(self):
        if not self.closed:
            self.kept = self.getvalue()
        super().close()


@pytest.fixture(scope="session")
def object_key():
    return sha256(b"a key for tests").digest()


@pytest.fixture(scope="session")
def tink(object_key):
    streaming_aead.register()
    return Tink(object_key)


@pytest.fixture(scope="session")
def vectors():
    """The script that makes the vectors, as a module."""
    spec = importlib.util.spec_from_file_location("envelope_vectors", ROOT / "scripts" / "vectors" / "envelope.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def plaintext(vectors):
    """Makes plaintext of a size."""
    return vectors.plaintext


@pytest.fixture(params=[0, 1, 1_048_519, 1_048_520, 1_048_521, 2_097_079, 2_097_080, 2_097_081, 3_500_000])
def size(request):
    """Sizes around every segment boundary: the first segment holds 1,048,520 bytes, the next 1,048,560 each."""
    return request.param
