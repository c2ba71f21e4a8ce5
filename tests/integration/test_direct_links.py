"""What S3 does with the links that we sign: exactly what was signed, for as long as was signed."""

import asyncio
import base64
import hashlib
import socket
import time
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from gateway.clock import utc_now
from gateway.links.presign import Presigner
from gateway.ports import Bucket, StorageCredentials

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)
KEY = f"r/{'0a' * 16}/o/{'b1' * 16}/0"
BODY = bytes(range(256)) * 8


@pytest.fixture
def web():
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def sign(stack, bucket):
    credentials = StorageCredentials(stack.access_key_id_file.read_text(), stack.secret_access_key_file.read_text())
    place = Bucket(endpoint=stack.s3, name=bucket, region=stack.region)
    signer = Presigner(place, credentials, clock=utc_now)

    def make(method, key=KEY, *, life=MINUTE, **options):
        return signer.sign(method, key, expires_in=life, **options)

    return make


@pytest.fixture
def upload(sign, web):
    def send(body=BODY, key=KEY, headers=None, **options):
        link = sign("PUT", key, headers={"content-length": str(len(body)), **(headers or {})}, **options)
        return web.put(link.url, content=body, headers=link.headers)

    return send


@pytest.fixture
def kept(s3, bucket):
    def look(key=KEY):
        try:
            return s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except ClientError:
            return None

    return look


def raw_request(url, head, body):
    """Send a request that no proper client would, and return the start of the answer."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        lines = (
            f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n{head}\r\n\r\n"
        )
        connection.sendall(lines.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(1_000)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace(KEY, KEY[:-1] + "1"),
        lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=604800"),
        lambda url: url.replace("/us-east-1", "/eu-west-1").replace("%2Fus-east-1", "%2Feu-west-1"),
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url + "&response-content-type=text%2Fhtml",
        lambda url: url + "&versionId=1",
        lambda url: url.partition("&X-Amz-Signature")[0],
        lambda url: url.partition("?")[0],
    ],
    ids=["key", "life", "region", "signature", "override", "version", "no signature", "no query"],
)
def test_an_altered_link_is_refused(sign, upload, web, change):
    assert upload().status_code == 200
    url = sign("GET").url
    altered = change(url)

    assert altered != url
    assert web.get(altered).status_code in {400, 403}  # 400 where what is left is no signed request at all


@pytest.mark.parametrize(("signed", "used"), [("GET", "HEAD"), ("GET", "PUT"), ("GET", "DELETE"), ("PUT", "GET")])
def test_a_link_is_refused_for_another_method(sign, upload, web, signed, used):
    upload()

    assert web.request(used, sign(signed).url).status_code == 403
    assert web.get(sign("GET").url).content == BODY


def test_an_expired_link_is_refused(sign, upload, web):
    upload()
    link = sign("GET", life=timedelta(seconds=1))
    time.sleep(max(0, (link.expires_at - utc_now()).total_seconds()) + 1.1)

    answer = web.get(link.url)

    assert answer.status_code == 403
    assert "expired" in answer.text


@pytest.mark.parametrize("size", [0, len(BODY) - 1, len(BODY) + 1])
def test_an_upload_of_another_length_than_signed_is_refused(sign, kept, web, size):
    link = sign("PUT", headers={"content-length": str(len(BODY))})

    assert web.put(link.url, content=b"x" * size).status_code == 403
    assert kept() is None


def test_an_upload_without_a_length_is_refused(sign, kept):
    link = sign("PUT", headers={"content-length": "5"})

    answer = raw_request(link.url, "Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 403")
    assert kept() is None


def test_an_upload_that_breaks_off_leaves_nothing(sign, kept):
    link = sign("PUT", headers={"content-length": "100"})

    answer = raw_request(link.url, "Content-Length: 100", b"half of it")

    assert not answer.startswith(b"HTTP/1.1 200")
    assert kept() is None


def test_an_upload_that_breaks_off_leaves_the_object_that_was_there(sign, upload, kept):
    upload()
    link = sign("PUT", headers={"content-length": "100"})

    raw_request(link.url, "Content-Length: 100", b"half of it")

    assert kept() == len(BODY)


def test_an_upload_that_is_signed_to_write_once_replaces_nothing(sign, kept, web, s3, bucket):
    link = sign("PUT", headers={"content-length": "5", "if-none-match": "*"})

    assert web.put(link.url, content=b"first", headers=link.headers).status_code == 200
    assert web.put(link.url, content=b"other", headers=link.headers).status_code == 412
    assert web.put(link.url, content=b"other").status_code == 403
    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"first"


@pytest.mark.parametrize("name", ["x-amz-acl", "x-amz-meta-note", "x-amz-storage-class", "x-amz-tagging"])
def test_a_header_for_s3_that_was_not_signed_is_refused(sign, kept, web, name):
    link = sign("PUT", headers={"content-length": "5"})

    assert web.put(link.url, content=b"hello", headers={name: "public-read"}).status_code == 403
    assert kept() is None


def test_an_upload_whose_checksum_is_not_the_signed_one_is_refused(upload, kept):
    checksum = base64.b64encode(hashlib.sha256(BODY).digest()).decode()

    assert upload(BODY[::-1], headers={"x-amz-checksum-sha256": checksum}).status_code == 400
    assert kept() is None
    assert upload(BODY, headers={"x-amz-checksum-sha256": checksum}).status_code == 200


@pytest.mark.parametrize(
    "key", [KEY, "a b+c/%20%2F", "größe/\u1112\u1161\u11ab", "e\u0301", "😀", "!#$&'()*,:;=?@[]\"<>^`{|}~", "k" * 255]
)
def test_a_key_is_one_object_to_links_and_to_clients(sign, upload, kept, web, key):
    assert upload(key=key).status_code == 200

    assert kept(key) == len(BODY)
    assert web.get(sign("GET", key).url).content == BODY


def test_head_tells_what_get_brings(sign, upload, web):
    upload()

    head, get = web.head(sign("HEAD").url), web.get(sign("GET").url)

    assert (head.status_code, get.status_code) == (200, 200)
    for name in ("content-length", "etag", "content-type", "accept-ranges"):
        assert head.headers[name] == get.headers[name]
    assert get.content == BODY


@pytest.mark.parametrize(
    "case", [("bytes=2-4", 2, 5), ("bytes=-3", 2045, 2048), ("bytes=2000-", 2000, 2048)], ids=lambda case: case[0]
)
def test_a_range_of_a_get_link_is_that_range(sign, upload, web, case):
    asked, start, end = case
    upload()

    answer = web.get(sign("GET").url, headers={"range": asked})

    assert (answer.status_code, answer.content) == (206, BODY[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(BODY)}"


def test_a_range_past_the_end_is_not_satisfiable(sign, upload, web):
    upload()

    assert web.get(sign("GET").url, headers={"range": f"bytes={len(BODY)}-"}).status_code == 416


def test_response_overrides_come_back_as_they_were_signed(sign, upload, web):
    upload()
    disposition = "attachment; filename=\"a b.csv\"; filename*=UTF-8''%C3%A9.csv"

    answer = web.get(sign("GET", query={"response-content-disposition": disposition}).url)

    assert answer.headers["content-disposition"] == disposition


class TestParts:
    @pytest.fixture
    def upload_id(self, s3, bucket):
        return s3.create_multipart_upload(Bucket=bucket, Key=KEY)["UploadId"]

    def part(self, upload_id, number=1):
        return {"query": {"partNumber": str(number), "uploadId": upload_id}, "headers": {"content-length": "5"}}

    def test_a_part_link_is_for_its_number_alone(self, sign, upload_id, web):
        link = sign("PUT", **self.part(upload_id))

        assert web.put(link.url.replace("partNumber=1", "partNumber=2"), content=b"hello").status_code == 403
        assert web.put(link.url, content=b"hello").status_code == 200

    def test_a_part_link_is_for_its_length_alone(self, sign, upload_id, web):
        assert web.put(sign("PUT", **self.part(upload_id)).url, content=b"hello world").status_code == 403

    def test_an_upload_id_is_for_its_key_alone(self, sign, upload_id, web):
        assert web.put(sign("PUT", "r/other", **self.part(upload_id)).url, content=b"hello").status_code == 404

    def test_a_part_link_does_not_write_the_object(self, sign, upload_id, kept, web):
        web.put(sign("PUT", **self.part(upload_id)).url, content=b"hello")

        assert kept() is None


@pytest.mark.anyio
async def test_one_link_serves_many_readers_at_once(sign, upload):
    upload()
    url = sign("GET").url
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = await asyncio.gather(*(client.get(url) for _ in range(20)))

    assert {answer.content for answer in answers} == {BODY}
