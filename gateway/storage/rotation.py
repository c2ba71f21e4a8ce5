"""Replaces the credential that signs direct links, and so ends every one that is out.

It is done with AWS's IAM API, which SeaweedFS speaks as well: a user may make and delete access keys of its own.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gateway.errors import GatewayError, InvalidConfiguration, LocalFileError, StorageUnavailable
from gateway.ports import StorageCredentials
from gateway.settings import StorageSettings
from gateway.storage.credentials import read_credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FORBIDDEN = 403
SETTLE = timedelta(seconds=5)
"""In which every gateway that reads the files has taken the new credential up."""


class _Iam(Protocol):
    """What we ask of IAM, by boto3's names; without a user's name it is about the caller's own."""

    def list_access_keys(self) -> dict[str, Any]: ...

    def create_access_key(self) -> dict[str, Any]: ...

    def delete_access_key(self, *, AccessKeyId: str) -> dict[str, Any]: ...  # noqa: N803 -- IAM's own


class AccessKeys:
    """The access keys of the user that the gateway is to S3, who may make and delete their own. It blocks."""

    def __init__(self, storage: StorageSettings) -> None:
        self._storage = storage

    def ids(self, by: StorageCredentials) -> dict[str, datetime | None]:
        """Return the ids of all, and when each was made, where S3 says so. Raises `StorageUnavailable`."""
        try:
            found = _client(self._storage, by).list_access_keys()["AccessKeyMetadata"]
        except (BotoCoreError, ClientError, KeyError) as error:
            raise _refused("list access keys", error) from error
        return {one["AccessKeyId"]: one.get("CreateDate") for one in found}

    def create(self, by: StorageCredentials) -> StorageCredentials:
        """Make another one. Raises `StorageUnavailable`."""
        return _create(_client(self._storage, by))

    def delete(self, access_key_id: str, by: StorageCredentials) -> None:
        """Delete one. Raises `StorageUnavailable`."""
        _delete(_client(self._storage, by), access_key_id)

    def opens(self, credentials: StorageCredentials) -> bool:
        """Tell whether S3 takes these credentials for the bucket. Raises `StorageUnavailable` if it does not answer."""
        client: S3Client = _connect("s3", self._storage, credentials)
        try:
            client.list_objects_v2(Bucket=self._storage.bucket, MaxKeys=1)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == _FORBIDDEN:
                return False
            raise _refused("list the bucket", error) from error
        except BotoCoreError as error:
            raise _refused("list the bucket", error) from error
        return True


@dataclass(frozen=True, slots=True)
class SignerRotation:
    """What was done."""

    deleted: str
    """The access key id that signs no more."""
    created: str


def rotate_signer(storage: StorageSettings, *, sleep: Callable[[float], None] = time.sleep) -> SignerRotation:
    """Replace the access key in the settings' files by a new one of the same user, and delete the old one.

    Raises:
        InvalidConfiguration: the credentials are temporary, so that there is no key to replace.
        LocalFileError: the files cannot be written; nothing has changed.
        StorageUnavailable: IAM is away, or does not let the user replace its own keys.
    """
    if storage.session_token_file:
        raise InvalidConfiguration("Temporary credentials cannot be replaced.", hint="Revoke their role's session.")
    old = read_credentials(storage)
    # 1. A new key beside the old one.
    new = _create(_client(storage, old))
    # 2. The gateways take it up; until then they sign with the old one, which is still good.
    try:
        # The secret first: who reads between the two has a pair that opens nothing, rather than an old secret's.
        _replace(storage.secret_access_key_file, new.secret_access_key)
        _replace(storage.access_key_id_file, new.access_key_id)
    except LocalFileError:
        _delete(_client(storage, old), new.access_key_id)
        raise
    sleep(SETTLE.total_seconds())
    # 3. The old key goes, and with it every link that it signed.
    _delete(_client(storage, new), old.access_key_id)
    return SignerRotation(deleted=old.access_key_id, created=new.access_key_id)


def _client(storage: StorageSettings, credentials: StorageCredentials) -> _Iam:
    client: _Iam = _connect("iam", storage, credentials)
    return client


def _connect(service: Literal["iam", "s3"], storage: StorageSettings, credentials: StorageCredentials) -> Any:  # noqa: ANN401 -- either of two that have nothing in common
    return boto3.client(
        service,
        endpoint_url=(storage.iam_endpoint if service == "iam" else None) or storage.endpoint,
        region_name=storage.region,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        config=Config(
            connect_timeout=storage.timeout.total_seconds(),
            read_timeout=storage.timeout.total_seconds(),
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )


def _create(iam: _Iam) -> StorageCredentials:
    try:
        made = iam.create_access_key()["AccessKey"]
    except (BotoCoreError, ClientError) as error:
        raise _refused("make a new access key", error) from error
    return StorageCredentials(made["AccessKeyId"], made["SecretAccessKey"])


def _delete(iam: _Iam, access_key_id: str) -> None:
    try:
        iam.delete_access_key(AccessKeyId=access_key_id)
    except (BotoCoreError, ClientError) as error:
        raise _refused(f"delete the access key {access_key_id}", error) from error


def _refused(what: str, error: Exception) -> GatewayError:
    # SeaweedFS refuses in S3's words, of which boto3's IAM makes an answer without an error.
    told = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else type(error).__name__
    return StorageUnavailable(
        f"IAM did not {what} ({(told or 'refused')[:64]}).",
        hint="Let the gateway's user replace its own access keys, and see if storage.iam_endpoint is right.",
    )


def _replace(file: Path, secret: str) -> None:
    """Write the file whole or not at all, readable by its owner alone."""
    fresh = file.with_name(f".{file.name}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(secret)
            stream.flush()
            os.fsync(descriptor)
        fresh.replace(file)
    except OSError as error:
        raise LocalFileError(f"{file} cannot be replaced: {error.strerror}.") from error
