"""What S3's failures become, on a server that fails as told, on none, and on one that never answers."""

import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest

from gateway.errors import IncompleteUpload, InvalidPath, NotFound, StorageUnavailable
from gateway.ports import Bucket, StorageCredentials
from gateway.storage.s3 import S3ObjectStore

pytestmark = pytest.mark.anyio

CREDENTIALS = StorageCredentials("AKID", "very-hidden-secret", session_token="very-hidden-token")
TIMEOUT = timedelta(milliseconds=300)


class FailingS3(BaseHTTPRequestHandler):
    """Answers every request with the server's `failure`, which also names its reason to whoever would repeat it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, code = self.server.failure
        self.server.seen[self.command] += 1
        self.server.last = dict(self.headers.items())
        body = f"<Error><Code>{code}</Code><Message>do-not-repeat</Message></Error>".encode()
        self.send_response(status)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), FailingS3)
    server.failure, server.seen = (500, "InternalError"), Counter()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class HalfwayS3(BaseHTTPRequestHandler):
    """Begins to answer each GET with 30 MB, and sends as much of it as the server's `sends`; then closes."""

    def do_GET(self):
        size = 30_000_000
        self.send_response(206)
        self.send_header("content-length", str(size))
        self.send_header("content-range", f"bytes 0-{size - 1}/{size}")
        self.send_header("last-modified", "Sat, 31 Jan 2026 23:59:58 GMT")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(bytes(self.server.sends))
            self.wfile.flush()
            if self.server.silent:
                time.sleep(1)

    def log_message(self, *_):
        pass


@pytest.fixture
def halfway():
    server = ThreadingHTTPServer(("127.0.0.1", 0), HalfwayS3)
    server.sends, server.silent = 30_000_000, False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def store_at(port, **options):
    place = Bucket(endpoint=f"http://127.0.0.1:{port}", name="bucket", region="us-east-1")
    return S3ObjectStore(place, CREDENTIALS, timeout=options.get("timeout", timedelta(seconds=5)))


async def drained(items):
    return [item async for item in items]


OPERATIONS = {
    "get": lambda store: store.get("k"),
    "put": lambda store: store.put("k", b"x"),
    "exists": lambda store: store.exists("k"),
    "stream": lambda store: drained(store.stream("k", start=0, end=5)),
    "list": lambda store: drained(store.list("p/")),
    "start_multipart": lambda store: store.start_multipart("k"),
    "finish_multipart": lambda store: store.finish_multipart("k", "upload", ['"etag"']),
    "abort_multipart": lambda store: store.abort_multipart("k", "upload"),
    "check": lambda store: store.check(),
}


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


def told(caught):
    return f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("failure", [(500, "InternalError"), (503, "SlowDown"), (400, "odd code!"), (301, "Moved")])
async def test_a_failing_s3_is_unavailable(server, operation, failure):
    server.failure = failure
    with pytest.raises(StorageUnavailable) as caught:
        await operation(store_at(server.server_port))

    assert "do-not-repeat" not in told(caught)
    assert "odd" not in told(caught)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
@pytest.mark.parametrize(
    "name", sorted(OPERATIONS.keys() - {"list"})
)  # obstore tells it from no other failure of a listing
async def test_refused_credentials_are_said_to_be_so_and_not_shown(server, name, code):
    server.failure = (403, code)
    with pytest.raises(StorageUnavailable, match="forbids") as caught:
        await OPERATIONS[name](store_at(server.server_port))

    assert "credentials" in caught.value.hint
    assert "hidden" not in f"{told(caught)} {caught.value.__cause__} {caught.value.__cause__!r}"


async def test_attempts_are_bounded(server, operation):
    with pytest.raises(StorageUnavailable):
        await operation(store_at(server.server_port))

    assert 1 <= max(server.seen.values()) <= 3


async def test_no_server_is_unavailable(operation):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(StorageUnavailable):
            await operation(store_at(probe.getsockname()[1]))


@pytest.mark.parametrize("name", ["get", "check"])
async def test_a_server_that_never_answers_is_unavailable(name):
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(StorageUnavailable):
        await OPERATIONS[name](store_at(silent.getsockname()[1], timeout=TIMEOUT))


@pytest.mark.parametrize("silent", [False, True])
async def test_a_stream_that_breaks_off_is_never_taken_for_whole(halfway, silent):
    halfway.sends, halfway.silent = 2_000_000, silent
    stream = store_at(halfway.server_port, timeout=TIMEOUT).stream("k", start=0, end=30_000_000)
    with pytest.raises(StorageUnavailable):
        await drained(stream)


async def test_a_reader_may_take_longer_than_the_timeout_between_chunks(halfway):
    stream = store_at(halfway.server_port, timeout=TIMEOUT).stream("k", start=0, end=30_000_000)
    got = 0
    async for chunk in stream:
        if got == 0:
            await anyio.sleep(3 * TIMEOUT.total_seconds())
        got += len(chunk)

    assert got == 30_000_000


@pytest.mark.parametrize("name", ["check", "list"])
async def test_a_missing_bucket_is_unavailable(server, name):
    server.failure = (404, "NoSuchBucket")
    with pytest.raises(StorageUnavailable):
        await OPERATIONS[name](store_at(server.server_port))


async def test_check_names_the_bucket_that_is_missing(server):
    server.failure = (404, "NoSuchBucket")
    with pytest.raises(StorageUnavailable, match="'bucket'"):
        await store_at(server.server_port).check()


@pytest.mark.parametrize("name", ["get", "stream"])
async def test_an_object_that_is_not_there_is_not_found(server, name):
    server.failure = (404, "NoSuchKey")
    with pytest.raises(NotFound):
        await OPERATIONS[name](store_at(server.server_port))


async def test_an_object_that_is_not_there_does_not_exist(server):
    server.failure = (404, "NoSuchKey")
    assert not await store_at(server.server_port).exists("k")


@pytest.mark.parametrize("code", ["NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall"])
async def test_parts_amiss_are_an_incomplete_upload(server, code):
    server.failure = (400, code)
    with pytest.raises(IncompleteUpload, match=code):
        await store_at(server.server_port).finish_multipart("k", "upload", ['"etag"'])


@pytest.mark.parametrize("key", ["", "/k", "k/", "a//b", "../k", "a/./b", "..", "a\nb", "\x7f", "\ud800"])
@pytest.mark.parametrize("name", ["get", "put", "exists", "start_multipart"])
async def test_a_key_that_would_be_sent_otherwise_is_refused_before_it_is_sent(server, name, key):
    store = store_at(server.server_port)
    call = store.put(key, b"") if name == "put" else getattr(store, name)(key)
    with pytest.raises(InvalidPath):
        await call

    assert not server.seen


@pytest.mark.parametrize("name", ["get", "check"])
async def test_aws_variables_of_the_environment_change_nothing(server, monkeypatch, name):
    for variable, value in {
        "AWS_ACCESS_KEY_ID": "OTHER",
        "AWS_SECRET_ACCESS_KEY": "other",
        "AWS_SESSION_TOKEN": "other",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_BUCKET": "other",
    }.items():
        monkeypatch.setenv(variable, value)
    server.failure = (403, "AccessDenied")

    with pytest.raises(StorageUnavailable):
        await OPERATIONS[name](store_at(server.server_port))

    sent = {header.lower(): value for header, value in server.last.items()}
    assert sent["authorization"].split("Credential=")[1].startswith("AKID/")
    assert "/us-east-1/s3/" in sent["authorization"]
    assert sent["x-amz-security-token"] == CREDENTIALS.session_token


async def test_a_virtual_host_is_the_buckets_own():
    place = Bucket(endpoint="https://s3.example.com:9000", name="bucket", region="us-east-1", virtual_host=True)
    store = S3ObjectStore(place, CREDENTIALS, timeout=TIMEOUT)

    assert "https://bucket.s3.example.com:9000" in store._store.config.values()
