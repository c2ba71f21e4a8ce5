"""The object store on S3. It translates, and wraps each foreign error, whose text may tell more than callers may know.

obstore moves the bytes, because it is asynchronous and fast; boto3 has what obstore has not: multipart uploads whose
parts somebody else sends, and questions about the bucket.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import boto3
from anyio import to_thread
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError, GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from gateway.errors import IncompleteUpload, InvalidPath, NotFound, StorageUnavailable
from gateway.ports import Bucket, CredentialSource, StorageCredentials, StoredObject, always

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import S3Credential

T = TypeVar("T")

_CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3
_CONNECT_WITHIN = timedelta(seconds=5)
_LONGEST_TRANSFER = timedelta(days=1)
"""A stream lasts as long as its reader takes; what may not last is the silence between two reads."""
_INCOMPLETE = frozenset({"NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge"})
_NOT_FOUND = frozenset({"404", "NoSuchKey"})
_NO_OBJECT_LOCK = frozenset({"ObjectLockConfigurationNotFoundError", "NotImplemented"})
_FORBIDDEN = frozenset({"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})
_CREDENTIALS_HINT = "See if the storage settings name the right credentials, and if both clocks agree."
_UNSAFE_KEY = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|$)")
_ERROR_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")


class S3ObjectStore:
    """A `gateway.ports.ObjectStore` on one bucket.

    Args:
        bucket: Where it is.
        credentials: Who we are, or what says who we are at the moment.
        timeout: The longest silence of S3 within an answer, and the longest that repeated attempts go on.
    """

    def __init__(
        self, bucket: Bucket, credentials: StorageCredentials | CredentialSource, *, timeout: timedelta
    ) -> None:
        self._bucket = bucket.name
        self._credentials = always(credentials) if isinstance(credentials, StorageCredentials) else credentials
        self._connect = partial(_connect, bucket, timeout=timeout)
        self._clients = self._connect(self._credentials())
        self._locks: bool | None = None
        """Whether the bucket has Object Lock, once it was asked."""

    @property
    def _store(self) -> S3Store:
        return self._current().store

    @property
    def _control(self) -> "S3Client":
        return self._current().control

    def _current(self) -> "_Clients":
        """Return the clients of the credentials in force; what was begun with others ends with them."""
        credentials = self._credentials()
        if credentials != self._clients.credentials:
            self._clients = self._connect(credentials)
        return self._clients

    async def get(self, key: str) -> bytes:
        """Return a small object whole. Raises `NotFound`."""
        with _wrapped("read an object", key):
            result = await self._store.get_async(_checked(key))
            return bytes(await result.bytes_async())

    async def put(self, key: str, body: bytes) -> None:
        """Write a small object."""
        with _wrapped("write an object", key):
            # In one request: a multipart upload would be left behind when we are cut off.
            await self._store.put_async(_checked(key), body, use_multipart=False)

    async def keep(self, key: str, body: bytes, *, until: datetime) -> bool:
        """Write a small object; where the bucket has Object Lock, lock it until then in compliance mode.

        In that mode no one can delete or shorten it, not even the account's owner (Amazon S3, "Object Lock").
        """
        if self._locks is None:
            self._locks = await self._ask("see if the bucket has Object Lock", self._bucket, self._has_object_lock)
        if not self._locks:
            await self.put(key, body)
            return False
        call = partial(
            self._control.put_object,
            Bucket=self._bucket,
            Key=_checked(key),
            Body=body,
            ContentMD5=b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),  # S3 asks for it here
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=until,
        )
        await self._ask("write a locked object", key, call)
        return True

    def _has_object_lock(self) -> bool:
        try:
            answer = self._control.get_object_lock_configuration(Bucket=self._bucket)
        except ClientError as error:
            if error.response["Error"].get("Code") in _NO_OBJECT_LOCK:
                return False
            raise
        return answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"

    async def exists(self, key: str) -> bool:
        """Tell whether the object is there."""
        try:
            with _wrapped("look for an object", key):
                await self._store.head_async(_checked(key))
        except NotFound:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Delete the object; nothing happens if it is gone."""
        with _wrapped("delete an object", key):
            await self._store.delete_async(_checked(key))

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete these objects, at most 1,000; nothing happens to those that are gone."""
        with _wrapped("delete objects", keys[0] if keys else ""):
            await self._store.delete_async([_checked(key) for key in keys])

    async def stream(self, key: str, *, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes `start` (inclusive) to `end` (exclusive), as far as the object goes. Raises `NotFound`."""
        if start >= end:
            return
        with _wrapped("read an object", key):
            try:
                result = await self._store.get_async(_checked(key), options={"range": (start, end)})
            except GenericError:
                # S3 answers 416 to a range past the end, which obstore tells from no other failure.
                if start < await self._size(key):
                    raise
                return
            async for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)

    async def _size(self, key: str) -> int:
        return (await self._store.head_async(key))["size"]

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yield every object below the prefix, which ends with '/'."""
        with _wrapped("list objects", prefix):
            async for batch in self._store.list(prefix):
                for entry in batch:
                    yield StoredObject(entry["path"], entry["size"])

    async def start_multipart(self, key: str) -> str:
        """Open a multipart upload and return its id."""
        call = partial(self._control.create_multipart_upload, Bucket=self._bucket, Key=_checked(key))
        return (await self._ask("start an upload", key, call))["UploadId"]

    async def finish_multipart(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Join the parts, which are numbered from 1 in the order of `etags`. Raises `IncompleteUpload`."""
        if not etags:
            raise IncompleteUpload("An upload without parts cannot be finished.")
        call = partial(
            self._control.complete_multipart_upload,
            Bucket=self._bucket,
            Key=_checked(key),
            UploadId=upload_id,
            MultipartUpload={"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, start=1)]},
        )
        await self._ask("finish an upload", key, call)

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts; nothing happens if it is gone."""
        call = partial(self._control.abort_multipart_upload, Bucket=self._bucket, Key=_checked(key), UploadId=upload_id)
        try:
            await self._ask("drop an upload", key, call)
        except IncompleteUpload:
            return

    async def check(self) -> None:
        """Raise `StorageUnavailable` unless the bucket answers."""
        try:
            await self._ask("find the bucket", self._bucket, partial(self._control.head_bucket, Bucket=self._bucket))
        except NotFound as error:
            raise StorageUnavailable(f"S3 has no bucket {self._bucket!r}.", hint="Make it, or name another.") from error

    async def _ask(self, what: str, key: str, call: Callable[[], T]) -> T:
        with _wrapped(what, key):
            return await to_thread.run_sync(call)


def _checked(key: str) -> str:
    """Return the key if every client sends it as it stands: some resolve dots, drop slashes, or refuse controls."""
    if _UNSAFE_KEY.search(key):
        raise InvalidPath(
            f"{key[:80]!r} is no S3 key of ours: it has an empty, '.' or '..' part, or a control character."
        )
    return key


@contextmanager
def _wrapped(what: str, key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"S3 has no object {key!r}.") from error
    except ValueError as error:
        raise InvalidPath(f"{key[:80]!r} is no S3 key.") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StorageUnavailable(f"S3 forbids us to {what}.", hint=_CREDENTIALS_HINT) from error
    except ClientError as error:
        raise _translated(error, what, key) from error
    except (BaseError, BotoCoreError) as error:
        raise StorageUnavailable(f"S3 failed when asked to {what}.", hint="Try again; see if S3 is up.") from error


def _translated(error: ClientError, what: str, key: str) -> IncompleteUpload | NotFound | StorageUnavailable:
    code = str(error.response["Error"].get("Code"))
    if code in _INCOMPLETE:
        return IncompleteUpload(f"S3 has not all parts of this upload ({code}).", hint="Send the parts again.")
    if code in _NOT_FOUND:
        return NotFound(f"S3 has no {key!r}.")
    if code in _FORBIDDEN:
        return StorageUnavailable(f"S3 forbids us to {what}.", hint=_CREDENTIALS_HINT)
    # The code alone: the message and the rest of the answer are S3's own text.
    said = code if _ERROR_CODE.fullmatch(code) else "an unknown code"
    return StorageUnavailable(f"S3 failed when asked to {what} ({said}).", hint="Try again; see if S3 is up.")


@dataclass(frozen=True, slots=True)
class _Clients:
    """The two clients, as one user of S3."""

    credentials: StorageCredentials
    store: S3Store
    control: "S3Client"


def _connect(bucket: Bucket, credentials: StorageCredentials, *, timeout: timedelta) -> _Clients:
    return _Clients(credentials, _obstore(bucket, credentials, timeout), _boto3(bucket, credentials, timeout))


def _obstore(bucket: Bucket, credentials: StorageCredentials, timeout: timedelta) -> S3Store:
    """Return obstore's client. All that AWS_* variables could change is given, so that they change nothing."""

    def provide() -> "S3Credential":
        return {
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "token": credentials.session_token,
            "expires_at": credentials.expires_at,
        }

    scheme, _, host = bucket.endpoint.rstrip("/").partition("://")
    return S3Store(
        bucket.name,
        # This name of the endpoint, because a variable of this name would win over any other.
        aws_endpoint_url_s3=f"{scheme}://{bucket.name}.{host}" if bucket.virtual_host else f"{scheme}://{host}",
        region=bucket.region,
        virtual_hosted_style_request=bucket.virtual_host,
        skip_signature=False,
        credential_provider=provide,
        client_options={
            "allow_http": scheme == "http",
            "connect_timeout": _CONNECT_WITHIN,
            "read_timeout": timeout,
            "timeout": _LONGEST_TRANSFER,
        },
        retry_config={
            "max_retries": _ATTEMPTS - 1,
            "retry_timeout": timeout,
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=2),
                "base": 2,
            },
        },
    )


def _boto3(bucket: Bucket, credentials: StorageCredentials, timeout: timedelta) -> "S3Client":
    client = boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        region_name=bucket.region,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        config=Config(
            signature_version="s3v4",
            connect_timeout=_CONNECT_WITHIN.total_seconds(),
            read_timeout=timeout.total_seconds(),
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            # Else an upload is declared as having checksums, which parts sent by presigned links have not.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "virtual" if bucket.virtual_host else "path"},
        ),
    )
    client.meta.events.register_last("before-parameter-build.s3", _stay)
    return client


def _stay(context: dict[str, dict[str, object]], **_: object) -> None:
    """Tell boto3 that it was redirected already: the endpoint is the settings' alone, whatever an answer says."""
    context["s3_redirect"]["redirected"] = True
