"""The envelope against bare AES-GCM, which it cannot beat, and against Tink, whose format it writes."""

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from harness import Row, Seconds, side_by_side
from tink import proto_keyset_format, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from gateway.envelope import (
    HEADER_BYTES,
    SEGMENT_BYTES,
    TAG_BYTES,
    RangeDecryptor,
    RangePlan,
    decrypt_file,
    decrypt_stream,
    encrypt_file,
    encrypt_stream,
    plan_range,
    seal,
)

KEY = bytes(range(32))
NONCE = bytes(12)
AEAD = AESGCM(KEY)
PIECE = SEGMENT_BYTES - TAG_BYTES
SMALL = 65_536
ROUNDS = 21
"""Each takes a few hundredths of a second, in which a busy machine tells little."""
PLAIN = os.urandom(128 * PIECE)
"""What every case encrypts, decrypts or reads a part of."""
BARE = "bare AESGCM, 1 MiB"


def run() -> Iterable[Row]:
    """Compare memory, files, ranges, threads, and Tink."""
    yield from memory()
    with tempfile.TemporaryDirectory() as folder:
        yield from files(Path(folder))
    yield from ranges()
    yield from against_tink()


def memory() -> Iterator[Row]:
    """Chunks that lie in memory, cut by segments and cut otherwise: nothing else takes time."""
    bare = [AEAD.encrypt(NONCE, piece, None) for piece in pieces(PLAIN, PIECE)]
    bare_encrypt = partial(each, AEAD.encrypt, pieces(PLAIN, PIECE))
    bare_decrypt = partial(each, AEAD.decrypt, bare)
    ciphertext = seal(KEY, PLAIN)
    first = PIECE - HEADER_BYTES
    by_segments = ([PLAIN[:first], *pieces(PLAIN[first:], PIECE)], pieces(ciphertext, SEGMENT_BYTES))
    small = (pieces(PLAIN, SMALL), pieces(ciphertext, SMALL))
    for how, (plain, sealed), aim in (("by segments", by_segments, 0.9), ("in 64 KiB chunks", small, None)):
        encrypt = partial(exhaust, encrypt_stream, KEY, plain)
        yield row(f"encrypt {how}", side_by_side(encrypt, bare_encrypt, ROUNDS), aim=aim)
        decrypt = partial(exhaust, decrypt_stream, KEY, sealed)
        yield row(f"decrypt {how}", side_by_side(decrypt, bare_decrypt, ROUNDS), aim=aim)


def files(folder: Path) -> Iterator[Row]:
    """Files in the page cache, read into memory that is used again; both sides read alike. Then two at a time."""
    plain, sealed, bare = folder / "plain", folder / "sealed", folder / "bare"
    plain.write_bytes(PLAIN)
    sealed.write_bytes(seal(KEY, PLAIN))
    bare.write_bytes(b"".join(AEAD.encrypt(NONCE, piece, None) for piece in pieces(PLAIN, PIECE)))
    sides = {
        "encrypt": (
            partial(ours, encrypt_file, plain),
            partial(through, AEAD.encrypt_into, plain, PIECE, SEGMENT_BYTES),
        ),
        "decrypt": (
            partial(ours, decrypt_file, sealed),
            partial(through, AEAD.decrypt_into, bare, SEGMENT_BYTES, PIECE),
        ),
    }
    for verb, (work, bare_work) in sides.items():
        yield row(f"{verb} a file", side_by_side(work, bare_work, ROUNDS), aim=0.9)
    for verb, (work, bare_work) in sides.items():
        both = partial(in_threads, work)
        case, size = f"{verb} two files in two threads", 2 * len(PLAIN)
        yield row(case, side_by_side(both, partial(twice, work), ROUNDS), size, baseline="one thread", aim=1.7)
        seconds = side_by_side(both, partial(in_threads, bare_work), ROUNDS)
        yield row(case, seconds, size, baseline=f"{BARE}, two threads", aim=0.9)
    # Two processes share no lock of the interpreter, and no memory whose pages the kernel hands out to one at a time.
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        for verb, (work, _) in sides.items():
            case, size = f"{verb} two files in two processes", 2 * len(PLAIN)
            seconds = side_by_side(partial(in_processes, pool, work), partial(twice, work), ROUNDS)
            yield row(case, seconds, size, baseline="one process", aim=1.7)


def ranges() -> Iterator[Row]:
    """Ranges of an object in memory; the baseline opens as many segments as the range touches."""
    ciphertext = seal(KEY, PLAIN)
    bare = [AEAD.encrypt(NONCE, piece, None) for piece in pieces(PLAIN, PIECE)]
    # What a range costs besides its segments, the derived key above all, is seen where it touches only one.
    for name, size, aim in (("64 MiB", 64 * 2**20, 0.9), ("8 MiB", 8 * 2**20, 0.9), ("4 KiB", 2**12, None)):
        plan = plan_range(10_000_000, 10_000_000 + size, len(PLAIN))
        chunks = pieces(ciphertext[plan.ciphertext_start : plan.ciphertext_end], SEGMENT_BYTES)
        reads = 512 // len(chunks)
        work = partial(read_range, ciphertext[:HEADER_BYTES], plan, chunks, reads)
        seconds = side_by_side(work, partial(each, AEAD.decrypt, bare[: len(chunks)] * reads), ROUNDS)
        baseline = f"{BARE} x {len(chunks)}"
        yield row(f"read a range of {name}", seconds, reads * len(chunks) * PIECE, baseline=baseline, aim=aim)


def against_tink() -> Iterator[Row]:
    """The same object through Tink's own Python package."""
    primitive, ciphertext = tink_primitive(), seal(KEY, PLAIN)

    def tink_encrypt() -> None:
        with primitive.new_encrypting_stream(Sealed(), b"") as stream:
            stream.write(PLAIN)

    def tink_decrypt() -> None:
        with primitive.new_decrypting_stream(io.BytesIO(ciphertext), b"") as stream:
            while stream.read(SEGMENT_BYTES):
                pass

    for verb, work, theirs in (
        ("encrypt", partial(exhaust, encrypt_stream, KEY, [PLAIN]), tink_encrypt),
        ("decrypt", partial(exhaust, decrypt_stream, KEY, [ciphertext]), tink_decrypt),
    ):
        yield row(f"{verb} an object", side_by_side(work, theirs, 3), baseline="tink", aim=1)


def row(case: str, seconds: Seconds, size: int = len(PLAIN), *, baseline: str = BARE, aim: float | None) -> Row:
    """Return the row of a case in which each side treated `size` bytes."""
    return Row.rate("envelope", case, seconds, size / 1e9, "GB/s", baseline=baseline, aim=aim)


def pieces(data: bytes, size: int) -> list[bytes]:
    """Cut the data."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def each(work: Callable[[bytes, bytes, None], bytes], chunks: Iterable[bytes]) -> None:
    """Do the bare thing with each chunk, and hand each result on, as a stream does."""
    for _ in (work(NONCE, chunk, None) for chunk in chunks):
        pass


def exhaust(work: Callable[[bytes, list[bytes]], Iterator[bytes]], key: bytes, chunks: list[bytes]) -> None:
    """Do our thing with all chunks."""
    for _ in work(key, chunks):
        pass


def read_range(header: bytes, plan: RangePlan, chunks: list[bytes], times: int) -> None:
    """Read one range several times."""
    for _ in range(times):
        decryptor = RangeDecryptor(KEY, header, plan)
        for chunk in chunks:
            decryptor.update(chunk)
        decryptor.finalize()


class Nowhere:
    """A sink that costs nothing."""

    def write(self, data: memoryview, /) -> int:
        """Forget the data."""
        return len(data)


class Sealed(io.RawIOBase):
    """The same for Tink, which asks more of a file."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return len(data)


def ours(work: Callable[[bytes, Any, Nowhere], None], path: Path) -> None:
    """Do our thing with a file."""
    with path.open("rb", buffering=0) as source:
        work(KEY, source, Nowhere())


def through(work: Callable[[bytes, memoryview, None, memoryview], int], path: Path, size: int, made: int) -> None:
    """Do the bare thing with a file, read by `size` bytes, each of which gives `made` bytes."""
    buffer, result = memoryview(bytearray(size)), memoryview(bytearray(made))
    with path.open("rb", buffering=0) as source:
        while source.readinto(buffer):
            work(NONCE, buffer, None, result)


def twice(work: Callable[[], None]) -> None:
    """Do it again afterwards."""
    work()
    work()


def in_processes(pool: ProcessPoolExecutor, work: Callable[[], None]) -> None:
    """Do it twice at the same time, in processes that are there already."""
    wait([pool.submit(work), pool.submit(work)])


def in_threads(work: Callable[[], None]) -> None:
    """Do it twice at the same time."""
    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def tink_primitive() -> streaming_aead.StreamingAead:
    """Return Tink's AES256_GCM_HKDF_1MB with our key."""
    streaming_aead.register()
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(key_value=KEY)
    key.params.MergeFrom(
        aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=SEGMENT_BYTES, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
        )
    )
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
    return handle.primitive(streaming_aead.StreamingAead)
