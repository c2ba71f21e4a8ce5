"""The journal's tree, signed by the real Vault and archived to the real S3, beside a gateway's requests."""

import base64
import json
import secrets
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.checkpoint import open_checkpoint
from gateway.audit.note import VerifierKey
from gateway.audit.tree import Tree
from gateway.clock import utc_now
from gateway.examination import examine
from gateway.keys.vault import TransitVault
from gateway.ports import Bucket, StorageCredentials
from gateway.storage.s3 import S3ObjectStore

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

QUICK = {"audit": {"checkpoint_interval": 1}}
WITHIN_SECONDS = 20


def covered(served):
    tree = Tree(served.folder / "audit/gateway-1/tree")
    note = tree.newest()
    return open_checkpoint(note, tree.keys()).size if note else 0


def wait_until(what):
    deadline = time.monotonic() + WITHIN_SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def locked_bucket(s3):
    """A bucket with Object Lock."""
    name = f"test-{secrets.token_hex(8)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def public_key(operator):
    """The log's key as an operator gets it from Vault, for a gateway that serves at a URL."""

    def public_key(served):
        answer = operator.read("transit/keys/gateway-checkpoints")["data"]["keys"]["1"]
        return VerifierKey(f"{served.url.partition('://')[2]}/audit/gateway-1", base64.b64decode(answer["public_key"]))

    return public_key


async def test_what_vault_signs_verifies_under_the_key_that_it_names(vault_settings):
    vault = TransitVault(vault_settings, utc_now)
    public, signature = await vault.sign_checkpoint(b"text\n")
    assert public == (await vault.checkpoint_keys())[-1]
    Ed25519PublicKey.from_public_bytes(public).verify(signature, b"text\n")
    vault.close()


async def test_what_is_kept_cannot_be_deleted_where_the_bucket_has_object_lock(stack, s3, locked_bucket):
    credentials = StorageCredentials(stack.access_key_id_file.read_text(), stack.secret_access_key_file.read_text())
    place = Bucket(endpoint=stack.s3, name=locked_bucket, region=stack.region)
    store = S3ObjectStore(place, credentials, timeout=timedelta(seconds=20))
    until = datetime.now(UTC) + timedelta(hours=1)
    assert await store.keep("audit/x:1/checkpoint", b"one", until=until)
    version = s3.head_object(Bucket=locked_bucket, Key="audit/x:1/checkpoint")
    assert version["ObjectLockMode"] == "COMPLIANCE"
    assert abs(version["ObjectLockRetainUntilDate"] - until) < timedelta(seconds=2)
    this = {"Bucket": locked_bucket, "Key": "audit/x:1/checkpoint", "VersionId": version["VersionId"]}
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**this, BypassGovernanceRetention=True)
    assert await store.keep("audit/x:1/checkpoint", b"two", until=until)
    assert await store.get("audit/x:1/checkpoint") == b"two"
    assert s3.get_object(**this)["Body"].read() == b"one"


async def test_what_is_kept_is_written_where_the_bucket_has_no_object_lock(stack, bucket):
    credentials = StorageCredentials(stack.access_key_id_file.read_text(), stack.secret_access_key_file.read_text())
    place = Bucket(endpoint=stack.s3, name=bucket, region=stack.region)
    store = S3ObjectStore(place, credentials, timeout=timedelta(seconds=20))
    for body in (b"one", b"two"):
        assert not await store.keep("audit/checkpoint", body, until=datetime.now(UTC) + timedelta(hours=1))
        assert await store.get("audit/checkpoint") == body


async def test_the_doctor_says_when_vault_has_no_key_for_checkpoints(gateway_config, own_vault_settings):
    settings = {
        name: str(getattr(own_vault_settings, name)) for name in ("role_id_file", "secret_id_file", "transit_mount")
    }
    found = {finding.name: finding async for finding in examine(gateway_config({"vault": settings}))}
    assert found["checkpoints"].fault == "Vault has no key for checkpoints of the journal."
    assert "infra/vault/setup" in found["checkpoints"].hint
    found = {finding.name: finding async for finding in examine(gateway_config())}
    assert (found["checkpoints"].fault, found["vault"].fault) == ("", "")


def test_a_gateway_signs_archives_and_proves_what_it_did(
    start_gateway, cli, api, public_key, s3, locked_bucket, tmp_path
):
    served = start_gateway({"audit": {"checkpoint_interval": 1, "archive_bucket": locked_bucket}})
    assert api("ada", served).get("/v1/whoami").status_code == 200
    assert api("ivan", served).get("/v1/dataset/vision/none").status_code == 403
    (refusal,) = (record for record in served.records() if b"implicitDeny" in record.event)
    wait_until(lambda: covered(served) >= refusal.seq)
    key = public_key(served)
    journal, proof, vkey = served.folder / "audit", tmp_path / "x.tlog-proof", tmp_path / "gateway.vkey"
    vkey.write_text(f"{key}\n")

    verified = cli("otto", "audit", "verify", "--journal", journal, "--public-key", vkey, "--json", served=served)
    assert json.loads(verified.stdout)["covered"] >= refusal.seq, verified.stderr
    assert cli("otto", "audit", "prove", refusal.seq, "--journal", journal, "-o", proof, served=served).returncode == 0
    checked = cli("otto", "audit", "check-proof", proof, "--public-key", key, "--json", served=served)
    assert json.loads(checked.stdout)["event"]["actor"]["user"]["name"] == "ivan"

    prefix = f"audit/{key.name}"
    wait_until(lambda: "Contents" in s3.list_objects_v2(Bucket=locked_bucket, Prefix=f"{prefix}/checkpoint"))
    archived = s3.get_object(Bucket=locked_bucket, Key=f"{prefix}/checkpoint")
    assert archived["ObjectLockMode"] == "COMPLIANCE"
    assert open_checkpoint(archived["Body"].read(), [key]).size > 0

    served.process.stop()
    assert covered(served) == len(served.records())
    assert served.records()[-1].read_event()["activity_name"] == "Stop"
    newest = s3.get_object(Bucket=locked_bucket, Key=f"{prefix}/checkpoint")["Body"].read()
    assert open_checkpoint(newest, [key]).size == covered(served)


def test_without_vault_requests_are_answered_and_checkpoints_catch_up(start_gateway, api, stack, relay):
    vault = relay(stack.vault)
    served = start_gateway({**QUICK, "vault": {"address": vault.url}})
    someone = api("ada", served)
    assert someone.get("/v1/resources").status_code == 200  # from now on it knows the keys of its tokens
    wait_until(lambda: covered(served) > 0)
    vault.cut()
    before = covered(served)
    for _ in range(5):
        assert someone.get("/v1/resources").status_code == 200
    time.sleep(2)
    assert covered(served) <= before + 2  # what was underway
    assert len(served.records()) >= before + 5
    vault.join()
    wait_until(lambda: covered(served) >= before + 5)


def test_two_gateways_with_one_identity_are_named(start_gateway, api):
    first = start_gateway(QUICK)
    wait_until(lambda: covered(first) > 0)
    first.process.stop()
    twin = {"audit": {"checkpoint_interval": 1, "origin": f"{first.url.partition('://')[2]}/audit/gateway-1"}}
    second = start_gateway(twin, until="/healthz")
    wait_until(lambda: second.readiness()[1]["checkpoints"] == "journal-broken")
    assert "two gateways have one identity" in (second.folder / "gateway.log").read_text()
    assert covered(second) == 0
