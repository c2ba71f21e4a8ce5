"""One contract, held by the object store in memory and by S3: what the one does, the other does."""

import hashlib
import secrets
from datetime import timedelta

import httpx
import pytest

from gateway.clock import utc_now
from gateway.errors import IncompleteUpload, NotFound
from gateway.links.presign import Presigner
from gateway.ports import Bucket, StorageCredentials, StoredObject
from gateway.storage.memory import MIN_PART_BYTES, MemoryObjectStore
from gateway.storage.s3 import S3ObjectStore

pytestmark = pytest.mark.anyio


class Memory:
    def __init__(self):
        self.store = MemoryObjectStore()

    def send_part(self, key, upload_id, number, body):
        return self.store.put_part(key, upload_id, number, body)


class S3:
    """Its parts go where clients send them: to presigned links."""

    def __init__(self, stack, bucket):
        place = Bucket(endpoint=stack.s3, name=bucket, region=stack.region)
        credentials = StorageCredentials(stack.access_key_id_file.read_text(), stack.secret_access_key_file.read_text())
        self.store = S3ObjectStore(place, credentials, timeout=timedelta(seconds=20))
        self._signer = Presigner(place, credentials, clock=utc_now)

    def send_part(self, key, upload_id, number, body):
        link = self._signer.sign(
            "PUT",
            key,
            expires_in=timedelta(minutes=1),
            headers={"content-length": str(len(body))},
            query={"partNumber": str(number), "uploadId": upload_id},
        )
        return httpx.put(link.url, content=body, headers=link.headers, trust_env=False).headers["etag"]


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.integration)])
def place(request):
    if request.param == "memory":
        return Memory()
    return S3(request.getfixturevalue("stack"), request.getfixturevalue("bucket"))


@pytest.fixture
def store(place):
    return place.store


async def read(stream):
    return b"".join([chunk async for chunk in stream])


async def test_an_object_that_is_not_there_is_not_found(store):
    with pytest.raises(NotFound):
        await store.get("r/none")
    with pytest.raises(NotFound):
        await read(store.stream("r/none", start=0, end=10))
    with pytest.raises(NotFound):
        await read(store.stream("r/none", start=10, end=20))
    assert not await store.exists("r/none")


async def test_an_object_reads_as_it_was_written_and_the_last_write_stays(store):
    for body in (b"", b"one", secrets.token_bytes(3_000_000)):
        await store.put("r/a b/é+%20", body)
        assert await store.get("r/a b/é+%20") == body
        assert await store.exists("r/a b/é+%20")


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 3_000_000), (0, 1), (2_999_999, 3_000_000), (1_048_575, 1_048_577), (17, 2_000_001), (5, 5), (9, 3)],
)
async def test_a_stream_is_the_bytes_asked_for(store, start, end):
    body = secrets.token_bytes(3_000_000)
    await store.put("r/big", body)

    assert await read(store.stream("r/big", start=start, end=end)) == body[start:end]


@pytest.mark.parametrize(("start", "end", "read_bytes"), [(90, 110, 10), (100, 110, 0), (150, 160, 0)])
async def test_a_stream_goes_as_far_as_the_object(store, start, end, read_bytes):
    await store.put("r/short", b"x" * 100)

    assert await read(store.stream("r/short", start=start, end=end)) == b"x" * read_bytes


async def test_a_stream_of_an_empty_object_is_empty(store):
    await store.put("r/empty", b"")

    assert await read(store.stream("r/empty", start=0, end=10)) == b""


async def test_a_reader_may_leave_a_stream(store):
    await store.put("r/big", b"x" * 5_000_000)
    stream = store.stream("r/big", start=0, end=5_000_000)

    assert (await anext(stream)).startswith(b"x")
    await stream.aclose()
    assert await store.get("r/big") == b"x" * 5_000_000


async def test_a_listing_has_everything_below_the_prefix_and_nothing_else(store):
    below = {f"r/one/o/{n:04}": n % 3 for n in range(1_100)}
    for key, size in {**below, "r/one": 1, "r/one2/o/1": 1, "r/on": 1}.items():
        await store.put(key, b"x" * size)

    listed = [entry async for entry in store.list("r/one/")]

    assert sorted(listed, key=lambda entry: entry.key) == [StoredObject(key, size) for key, size in below.items()]
    assert [entry async for entry in store.list("r/three/")] == []


async def test_what_was_deleted_is_gone_and_deleting_it_again_does_nothing(store):
    keys = ["d/0", "d/0@2", "d/kept"]
    for key in keys:
        await store.put(key, b"x")
    for _ in range(2):
        for key in keys[:2]:
            await store.delete(key)
        assert [found.key async for found in store.list("d/")] == ["d/kept"]


async def test_parts_join_in_the_order_of_their_etags(place):
    parts = [secrets.token_bytes(MIN_PART_BYTES), secrets.token_bytes(MIN_PART_BYTES + 1), b"the end"]
    upload_id = await place.store.start_multipart("r/joined")
    etags = [place.send_part("r/joined", upload_id, n, parts[n - 1]) for n in (1, 2, 3)]

    assert not await place.store.exists("r/joined")
    await place.store.finish_multipart("r/joined", upload_id, etags)

    assert hashlib.sha256(await place.store.get("r/joined")).digest() == hashlib.sha256(b"".join(parts)).digest()


async def test_a_part_sent_twice_counts_once(place):
    upload_id = await place.store.start_multipart("r/again")
    place.send_part("r/again", upload_id, 1, b"first try")
    etag = place.send_part("r/again", upload_id, 1, b"second try")

    await place.store.finish_multipart("r/again", upload_id, [etag])

    assert await place.store.get("r/again") == b"second try"


@pytest.mark.parametrize("fault", ["none", "missing", "altered", "swapped", "other-upload", "other-key"])
async def test_an_upload_with_a_part_amiss_is_incomplete(place, fault):
    upload_id = await place.store.start_multipart("r/amiss")
    one = place.send_part("r/amiss", upload_id, 1, b"1" * MIN_PART_BYTES)
    two = place.send_part("r/amiss", upload_id, 2, b"2" * MIN_PART_BYTES)
    wrong = f'"{"0" * 32}"'
    etags = {"none": [], "missing": [one, two, wrong], "altered": [one, wrong], "swapped": [two, one]}
    key = "r/other" if fault == "other-key" else "r/amiss"

    with pytest.raises(IncompleteUpload):
        await place.store.finish_multipart(
            key, "0" * 32 if fault == "other-upload" else upload_id, etags.get(fault, [one, two])
        )

    assert not await place.store.exists(key)


async def test_a_small_part_before_the_last_is_refused(place):
    upload_id = await place.store.start_multipart("r/small")
    etags = [place.send_part("r/small", upload_id, n, bytes([n])) for n in (1, 2)]

    with pytest.raises(IncompleteUpload):
        await place.store.finish_multipart("r/small", upload_id, etags)


async def test_a_dropped_upload_cannot_be_finished_and_dropping_it_again_does_nothing(place):
    upload_id = await place.store.start_multipart("r/dropped")
    etag = place.send_part("r/dropped", upload_id, 1, b"x")
    await place.store.abort_multipart("r/dropped", upload_id)
    await place.store.abort_multipart("r/dropped", upload_id)

    with pytest.raises(IncompleteUpload):
        await place.store.finish_multipart("r/dropped", upload_id, [etag])
    assert not await place.store.exists("r/dropped")


async def test_a_store_that_is_there_checks(store):
    await store.check()
