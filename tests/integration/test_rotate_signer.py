"""A replaced signing key kills the links that it signed, and the gateway goes on without a restart."""

import json
import time

import boto3
import httpx
import pytest
from botocore.config import Config

from gateway.cli import main
from gateway.errors import LocalFileError, StorageUnavailable
from gateway.model import LinkMode
from gateway.settings import StorageSettings
from gateway.storage.rotation import rotate_signer

pytestmark = pytest.mark.integration


@pytest.fixture
def iam(stack):
    client = boto3.client(
        "iam",
        endpoint_url=stack.s3,
        region_name=stack.region,
        aws_access_key_id=stack.access_key_id_file.read_text(),
        aws_secret_access_key=stack.secret_access_key_file.read_text(),
        config=Config(proxies={}),
    )
    yield client
    client.close()


@pytest.fixture
def own_user(iam, stack, bucket, tmp_path):
    """A user of S3 for one bucket, and the settings that name it."""
    name = f"gateway-{bucket}"
    arn = f"arn:aws:s3:::{bucket}"
    allow = {"Effect": "Allow", "Action": ["s3:*"], "Resource": [arn, f"{arn}/*"]}
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name, PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    files = tmp_path / "s3-id", tmp_path / "s3-secret"
    files[0].write_text(key["AccessKeyId"])
    files[1].write_text(key["SecretAccessKey"])
    yield {"access_key_id_file": str(files[0]), "secret_access_key_file": str(files[1])}
    for one in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=one["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="own")
    iam.delete_user(UserName=name)


@pytest.fixture
def storage(own_user, stack, bucket):
    return StorageSettings(endpoint=stack.s3, bucket=bucket, region=stack.region, **own_user)


def test_a_user_that_is_unknown_changes_nothing(storage):
    storage.secret_access_key_file.write_text("wrong")
    before = storage.access_key_id_file.read_text()
    with pytest.raises(StorageUnavailable, match="IAM did not make a new access key"):
        rotate_signer(storage, sleep=lambda _: None)
    assert (storage.access_key_id_file.read_text(), storage.secret_access_key_file.read_text()) == (before, "wrong")


def test_files_that_cannot_be_written_leave_the_old_key_alone(storage, iam, bucket):
    blocked = storage.secret_access_key_file.with_name(".s3-secret.new")
    blocked.mkdir()
    with pytest.raises(LocalFileError):
        rotate_signer(storage, sleep=lambda _: None)
    (only,) = iam.list_access_keys(UserName=f"gateway-{bucket}")["AccessKeyMetadata"]
    assert only["AccessKeyId"] == storage.access_key_id_file.read_text()


def test_links_that_are_out_die_and_the_gateway_goes_on(start_gateway, own_user, sdk, tmp_path, capsys):
    served = start_gateway({"storage": own_user})
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"1,2\n")
    ada = sdk("ada", served)
    ada.push(folder, "dataset/vision/rotated")
    before = ada.link("dataset/vision/rotated@v1/a.csv", mode=LinkMode.DIRECT).url
    assert httpx.get(before, trust_env=False).status_code == 200
    assert main(["revoke", "--rotate-signer", "--config", str(served.folder / "gateway.toml"), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["created"] == (tmp_path / "s3-id").read_text() != done["deleted"]
    assert httpx.get(before, trust_env=False).status_code == 403
    after = ada.link("dataset/vision/rotated@v1/a.csv", mode=LinkMode.DIRECT).url
    assert httpx.get(after, trust_env=False).status_code == 200
    assert b"".join(ada.read("dataset/vision/rotated@v1/a.csv")) == b"1,2\n"
    assert httpx.get(ada.link("dataset/vision/rotated@v1/a.csv").url, trust_env=False).content == b"1,2\n"
    (folder / "b.csv").write_bytes(b"3,4\n")
    assert ada.push(folder, "dataset/vision/rotated").version.number == 2
    assert eventually(lambda: replaced(served)) == [(done["created"], done["deleted"])]


def replaced(served):
    """The access keys that the journal says were replaced, each with the one before it."""
    events = [record.read_event() for record in served.records()]
    changes = [event for event in events if event["activity_name"] == "Password Change"]
    return [(event["user"]["credential_uid"], event["unmapped"]["replaced"]) for event in changes]


def eventually(look, within=10.0):
    """Return what a look finds, once it finds something."""
    until = time.monotonic() + within
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found
