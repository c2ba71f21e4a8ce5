"""The presigner beside botocore's, byte for byte, and what it refuses to sign."""

import unicodedata
from datetime import UTC, datetime, timedelta

import boto3
import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from gateway.errors import InvalidConfiguration, InvalidInput, InvalidPath, StorageUnavailable
from gateway.links.presign import Presigner
from gateway.model import LinkMode
from gateway.ports import Bucket, StorageCredentials

FIVE_MINUTES = timedelta(minutes=5)
CREDENTIALS = StorageCredentials("AKIDEXAMPLE", "secret/with+signs=")
MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="
SESSION = StorageCredentials("ASIAEXAMPLE", "secret", session_token="FwoG/token+with=signs==")

KEYS = {
    "ours": f"r/{'0a' * 16}/o/{'b1' * 16}/12",
    "spaces": "a file/with  spaces ",
    "plus": "a+b/c+d",
    "percent": "100%/%20/%2F/%zz",
    "reserved": "!#$&'()*,/:;=?@[]\"<>\\^`{|}~",
    "nfc": unicodedata.normalize("NFC", "größe/Ångström/한글.bin"),
    "nfd": unicodedata.normalize("NFD", "größe/Ångström/한글.bin"),
    "astral": "😀/🧪",
    "slashes": "//a///b/",
    "leading slash": "/a",
    "dots in names": ".hidden/..double/a.b..c/...",
    "longest": "k" * 1024,
    "longest encoded": "é" * 512,
}
ENDPOINTS = [
    "https://s3.example.com",
    "https://s3.example.com/",
    "https://s3.example.com:443",
    "http://s3.example.com:80",
    "https://s3.example.com:9000",
    "https://S3.Example.com",
    "http://127.0.0.1:8333",
    "http://[::1]:8333",
]


@pytest.fixture
def presigner(clock):
    def make(credentials=CREDENTIALS, endpoint="https://s3.example.com", bucket="bucket", virtual_host=False):
        place = Bucket(endpoint=endpoint, name=bucket, region="eu-west-1", virtual_host=virtual_host)
        return Presigner(place, credentials, clock=clock)

    return make


@pytest.fixture
def botocore_url(clock, monkeypatch):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: clock().replace(tzinfo=None))

    def presign(
        operation,
        key,
        *,
        credentials=CREDENTIALS,
        endpoint="https://s3.example.com",
        style="path",
        seconds=300,
        **params,
    ):
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="eu-west-1",
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            config=Config(signature_version="s3v4", s3={"addressing_style": style}),
        )
        return client.generate_presigned_url(
            operation, Params={"Bucket": "bucket", "Key": key, **params}, ExpiresIn=seconds
        )

    return presign


@pytest.mark.parametrize("key", [".", "..", "a/../b", "./a", "a/.", "a/..", "", "a\nb", "nul\0", "del\x7f", "\ud800"])
def test_a_key_that_could_name_another_object_is_refused(presigner, key):
    with pytest.raises(InvalidPath):
        presigner().sign("GET", key, expires_in=FIVE_MINUTES)


@pytest.mark.parametrize("key", ["k" * 1025, "é" * 513])
def test_a_key_over_1024_bytes_is_refused(presigner, key):
    with pytest.raises(InvalidPath, match="1,024"):
        presigner().sign("GET", key, expires_in=FIVE_MINUTES)


@pytest.mark.parametrize("method", ["DELETE", "POST", "get", "GET\n", ""])
def test_other_methods_are_refused(presigner, method):
    with pytest.raises(InvalidInput):
        presigner().sign(method, "k", expires_in=FIVE_MINUTES)


@pytest.mark.parametrize(
    "life", [timedelta(0), timedelta(seconds=-1), timedelta(microseconds=999_999), timedelta(days=7, microseconds=1)]
)
def test_a_life_outside_one_second_to_seven_days_is_refused(presigner, life):
    with pytest.raises(InvalidInput):
        presigner().sign("GET", "k", expires_in=life)


@pytest.mark.parametrize(
    "name", ["X-Amz-Expires", "x-amz-signature", "X-AMZ-DATE", "X-Amz-Security-Token", "", "a&b", "Upper"]
)
def test_signature_parameters_cannot_be_smuggled_in(presigner, name):
    with pytest.raises(InvalidInput):
        presigner().sign("GET", "k", expires_in=FIVE_MINUTES, query={name: "604800"})


@pytest.mark.parametrize(
    "endpoint",
    [
        "s3.example.com",
        "ftp://s3.example.com",
        "https://",
        "https://s3.example.com/base",
        "https://user:pass@s3.example.com",
        "https://s3.example.com?x=1",
        "https://s3.example.com#x",
        "https://s3.example.com:port",
        "https://[s3.example.com",
    ],
)
def test_an_endpoint_that_is_no_origin_is_refused(presigner, endpoint):
    with pytest.raises(InvalidConfiguration):
        presigner(endpoint=endpoint)


@pytest.mark.parametrize("bucket", ["", "ab", "Bucket", "a/b", "a_b", "-ab", "a" * 64])
def test_a_bucket_that_is_no_bucket_name_is_refused(presigner, bucket):
    with pytest.raises(InvalidConfiguration):
        presigner(bucket=bucket)


@pytest.mark.parametrize(
    ("bucket", "endpoint"),
    [
        ("my.bucket", "https://s3.example.com"),
        ("bucket", "http://127.0.0.1:8333"),
        ("bucket", "http://[::1]:8333"),
        ("bucket", "http://[fd00::ab]:8333"),
    ],
)
def test_a_bucket_that_cannot_be_a_subdomain_is_refused_as_virtual_host(presigner, bucket, endpoint):
    with pytest.raises(InvalidConfiguration):
        presigner(bucket=bucket, endpoint=endpoint, virtual_host=True)


@pytest.mark.parametrize("credentials", [CREDENTIALS, SESSION], ids=["long-term", "session"])
@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_get_link_is_botocores(presigner, botocore_url, key, style, credentials):
    link = presigner(credentials, virtual_host=style == "virtual").sign("GET", key, expires_in=FIVE_MINUTES)

    assert link.url == botocore_url("get_object", key, style=style, credentials=credentials)


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_link_at_any_endpoint_is_botocores(presigner, botocore_url, endpoint, style):
    if style == "virtual" and not endpoint.lower().startswith(("https://s3", "http://s3")):
        style = "path"  # botocore does so by itself; we refuse it when told otherwise, as tested above
    link = presigner(endpoint=endpoint, virtual_host=style == "virtual").sign("GET", "k", expires_in=FIVE_MINUTES)

    assert link.url == botocore_url("get_object", "k", endpoint=endpoint, style=style)


@pytest.mark.parametrize("seconds", [1, 60, 604_800])
def test_a_link_of_any_life_is_botocores(presigner, botocore_url, clock, seconds):
    link = presigner().sign("GET", "k", expires_in=timedelta(seconds=seconds))

    assert link.url == botocore_url("get_object", "k", seconds=seconds)
    assert link.expires_at == clock().replace(microsecond=0) + timedelta(seconds=seconds)


@pytest.mark.parametrize("credentials", [CREDENTIALS, SESSION], ids=["long-term", "session"])
@pytest.mark.parametrize(
    "case",
    [
        ("head_object", "HEAD", {}, {}, {}),
        ("get_object", "GET", {"VersionId": "v+1/="}, {"versionId": "v+1/="}, {}),
        (
            "get_object",
            "GET",
            {
                "ResponseContentDisposition": "attachment; filename=\"a b\"; filename*=UTF-8''%C3%A9",
                "ResponseContentType": "text/csv; charset=utf-8",
                "ResponseCacheControl": "no-store",
            },
            {
                "response-content-disposition": "attachment; filename=\"a b\"; filename*=UTF-8''%C3%A9",
                "response-content-type": "text/csv; charset=utf-8",
                "response-cache-control": "no-store",
            },
            {},
        ),
        ("get_object", "GET", {"ChecksumMode": "ENABLED"}, {}, {"X-Amz-Checksum-Mode": "ENABLED"}),
        ("head_object", "HEAD", {"ChecksumMode": "ENABLED"}, {}, {"x-amz-checksum-mode": "ENABLED"}),
        ("get_object", "GET", {"Range": "bytes=0-9"}, {}, {"range": "bytes=0-9"}),
        ("put_object", "PUT", {}, {}, {}),
        ("put_object", "PUT", {"ContentLength": 0}, {}, {"Content-Length": "0"}),
        (
            "put_object",
            "PUT",
            {"ContentLength": 1048592, "ChecksumSHA256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="},
            {},
            {"content-length": "1048592", "x-amz-checksum-sha256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="},
        ),
        (
            "put_object",
            "PUT",
            {"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
            {},
            {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
        ),
        ("put_object", "PUT", {"Metadata": {"note": "a  b"}}, {}, {"x-amz-meta-note": " a  b "}),
        (
            "upload_part",
            "PUT",
            {"UploadId": "u/1+=", "PartNumber": 7, "ContentLength": 5},
            {"uploadId": "u/1+=", "partNumber": "7"},
            {"content-length": "5"},
        ),
    ],
)
def test_a_link_for_any_operation_is_botocores(presigner, botocore_url, case, credentials):
    operation, method, params, query, headers = case
    link = presigner(credentials).sign(method, "a b", expires_in=FIVE_MINUTES, query=query, headers=headers)

    assert link.url == botocore_url(operation, "a b", credentials=credentials, **params)


def test_parameters_are_signed_in_the_order_of_their_names(presigner, clock, monkeypatch):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: clock().replace(tzinfo=None))
    query = {"a-b": "1", "z": "=&", "a": "2"}
    request = AWSRequest("GET", "https://s3.example.com/bucket/k", params=query)
    credentials = Credentials(CREDENTIALS.access_key_id, CREDENTIALS.secret_access_key)
    botocore.auth.S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires=300).add_auth(request)

    assert presigner().sign("GET", "k", expires_in=FIVE_MINUTES, query=query).url == request.url


def test_the_clock_is_followed_over_seconds_and_days(presigner, botocore_url, clock):
    signer = presigner()
    for step in (0, 0.5, 0.3, 1, 1, 86_400):
        clock.advance(timedelta(seconds=step))
        assert signer.sign("GET", "k", expires_in=FIVE_MINUTES).url == botocore_url("get_object", "k")


def test_a_clock_set_back_is_followed_too(presigner, botocore_url, clock):
    signer = presigner()
    clock.advance(timedelta(days=-1))

    assert signer.sign("GET", "k", expires_in=FIVE_MINUTES).url == botocore_url("get_object", "k")


def test_the_link_tells_its_mode_its_expiry_and_the_headers_to_send(presigner, clock):
    link = presigner().sign("PUT", "k", expires_in=timedelta(seconds=2.9), headers={"Content-Length": "5"})

    assert (link.mode, link.method) == (LinkMode.DIRECT, "PUT")
    assert link.headers == {"content-length": "5"}
    assert "X-Amz-Expires=2&" in link.url
    assert link.expires_at == datetime(2026, 2, 1, 0, 0, 0, tzinfo=UTC)


def test_a_link_ends_with_its_signers_credentials(presigner, clock):
    ends = clock() + timedelta(seconds=90)
    signer = presigner(StorageCredentials("AKID", "secret", expires_at=ends))

    link = signer.sign("GET", "k", expires_in=FIVE_MINUTES)

    assert "X-Amz-Expires=90&" in link.url
    assert link.expires_at <= ends


def test_expired_credentials_sign_nothing(presigner, clock):
    signer = presigner(StorageCredentials("AKID", "secret", expires_at=clock() + timedelta(seconds=1)))
    clock.advance(timedelta(seconds=1))

    with pytest.raises(StorageUnavailable):
        signer.sign("GET", "k", expires_in=FIVE_MINUTES)


def test_no_repr_shows_a_secret_or_a_signed_url(presigner):
    credentials = StorageCredentials("AKID", "very-hidden", session_token="hidden-as-well")
    signer = presigner(credentials)
    link = signer.sign("GET", "k", expires_in=FIVE_MINUTES, headers={"x-amz-meta-note": "not-to-tell"})

    shown = repr((credentials, signer, signer._stamp, link))

    assert "hidden" not in shown
    assert "not-to-tell" not in shown
    assert "X-Amz-Signature" not in shown


@pytest.mark.parametrize("token", [None, "t+/="])
@pytest.mark.parametrize("virtual_host", [False, True])
def test_links_signed_together_are_those_signed_alone(clock, token, virtual_host):
    bucket = Bucket("https://s3.example.com:9000", "bucket", "eu-west-1", virtual_host=virtual_host)
    signer = Presigner(bucket, StorageCredentials("AKID", "secret", token), clock=clock)
    keys = ["r/0f/o/1", "a b+ü%", "é/~x", "k" * 1024]
    minute = timedelta(minutes=1)

    urls, expires_at = signer.sign_all("GET", keys, expires_in=minute)

    alone = [signer.sign("GET", key, expires_in=minute) for key in keys]
    assert urls == [link.url for link in alone]
    assert {expires_at} == {link.expires_at for link in alone}


@pytest.mark.parametrize(("method", "key"), [("DELETE", "a"), ("GET", "../a"), ("GET", ""), ("GET", "k" * 1025)])
def test_one_that_cannot_be_signed_refuses_all(clock, method, key):
    signer = Presigner(Bucket("https://s3.example.com", "bucket", "r"), StorageCredentials("AKID", "s"), clock=clock)
    with pytest.raises(InvalidInput):
        signer.sign_all(method, ["a", key], expires_in=timedelta(minutes=1))


def test_a_replaced_credential_signs_from_the_next_second_on(clock):
    found = [StorageCredentials("OLD", "old"), StorageCredentials("NEW", "new", "token")]
    signer = Presigner(Bucket("https://s3.example.com", "bucket", "r"), lambda: found[0], clock=clock)
    minute = timedelta(minutes=1)
    assert "Credential=OLD" in signer.sign("GET", "a", expires_in=minute).url
    del found[0]
    clock.advance(timedelta(seconds=1))
    fresh = Presigner(Bucket("https://s3.example.com", "bucket", "r"), found[0], clock=clock)
    assert signer.sign("GET", "a", expires_in=minute).url == fresh.sign("GET", "a", expires_in=minute).url
