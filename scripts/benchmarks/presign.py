"""Signing direct links: ours against boto3's `generate_presigned_url`, which it equals byte for byte, and obstore's."""

from collections.abc import Callable, Iterable
from datetime import timedelta

import boto3
import obstore
from botocore.config import Config
from harness import Row, side_by_side
from obstore.store import S3Store

from gateway.clock import utc_now
from gateway.links.presign import Presigner
from gateway.ports import Bucket, StorageCredentials

PLACE = Bucket(endpoint="https://s3.example.com", name="bucket", region="eu-west-1")
CREDENTIALS = StorageCredentials("AKIDEXAMPLE", "secret")
SESSION = StorageCredentials("ASIAEXAMPLE", "secret", session_token="t" * 400)
LIFE = timedelta(minutes=5)
COUNT = 2_000
KEYS = [f"r/{'0a' * 16}/o/{'b1' * 16}/{n}" for n in range(COUNT)]
SPELLED = [f"train/größe {n}+%.parquet" for n in range(COUNT)]
"""No key of ours needs encoding."""
PART = {"uploadId": "0a" * 16, "partNumber": "7"}
LENGTH = {"content-length": "1048592"}


def run() -> Iterable[Row]:
    """Compare what links are signed for; each side signs the same keys, one after the other."""
    gets, sessions = ours(CREDENTIALS, "GET"), ours(SESSION, "GET")
    yield row("GET", gets(KEYS), theirs(CREDENTIALS, "get_object")(KEYS), aim=30)
    yield row("GET, keys to encode", gets(SPELLED), theirs(CREDENTIALS, "get_object")(SPELLED), aim=20)
    yield row("GET, session token", sessions(KEYS), theirs(SESSION, "get_object")(KEYS), aim=30)
    part = theirs(CREDENTIALS, "upload_part", UploadId=PART["uploadId"], PartNumber=7, ContentLength=1_048_592)
    yield row("part, length signed", ours(CREDENTIALS, "PUT", headers=LENGTH, query=PART)(KEYS), part(KEYS), aim=30)
    yield row("GET", gets(KEYS), obstores(KEYS), baseline="obstore.sign", aim=1)
    yield row("GET", gets(KEYS), obstores_at_once(KEYS), baseline="obstore.sign, all keys in one call")


def row(
    case: str,
    work: Callable[[], object],
    baseline_work: Callable[[], object],
    *,
    baseline: str = "boto3",
    aim: float | None = None,
) -> Row:
    """Return the row of a case in which each side signs a link for each key."""
    seconds = side_by_side(work, baseline_work)
    return Row.rate("presign", case, seconds, COUNT, "links/s", baseline=baseline, aim=aim)


def ours(
    credentials: StorageCredentials, method: str, **options: dict[str, str]
) -> Callable[[list[str]], Callable[[], None]]:
    """Return what signs a list of keys with our presigner."""
    sign = Presigner(PLACE, credentials, clock=utc_now).sign

    def signs(keys: list[str]) -> Callable[[], None]:
        def work() -> None:
            for key in keys:
                sign(method, key, expires_in=LIFE, **options)

        return work

    return signs


def theirs(
    credentials: StorageCredentials, operation: str, **params: object
) -> Callable[[list[str]], Callable[[], None]]:
    """Return the same with boto3."""
    presign = boto3.client(
        "s3",
        endpoint_url=PLACE.endpoint,
        region_name=PLACE.region,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    ).generate_presigned_url

    def signs(keys: list[str]) -> Callable[[], None]:
        def work() -> None:
            for key in keys:
                presign(operation, Params={"Bucket": PLACE.name, "Key": key, **params}, ExpiresIn=300)

        return work

    return signs


def store() -> S3Store:
    """Return obstore's client of the same bucket."""
    return S3Store(
        PLACE.name,
        endpoint=PLACE.endpoint,
        region=PLACE.region,
        access_key_id=CREDENTIALS.access_key_id,
        secret_access_key=CREDENTIALS.secret_access_key,
    )


def obstores(keys: list[str]) -> Callable[[], None]:
    """Return what signs keys with obstore, as links are asked for: one by one."""
    client = store()

    def work() -> None:
        for key in keys:
            obstore.sign(client, "GET", key, LIFE)

    return work


def obstores_at_once(keys: list[str]) -> Callable[[], None]:
    """The same in obstore's own way, which crosses into Rust once."""
    client = store()

    def work() -> None:
        obstore.sign(client, "GET", keys, LIFE)

    return work
