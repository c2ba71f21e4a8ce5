"""Keys on the real OpenBao and SeaweedFS: retirement, re-encryption while files are read, shredding, and its login."""

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import psutil
import pytest

from gateway.client.rewriter import read_back, rewrite
from gateway.clock import utc_now
from gateway.devstack.vault_api import VaultApi
from gateway.envelope import ciphertext_size, key_check, seal
from gateway.errors import ContentMismatch, IntegrityError, Shredded, VaultUnavailable
from gateway.keys.datakeys import DataKeys
from gateway.keys.lifecycle import Lifecycle
from gateway.keys.vault import TransitVault
from gateway.links.presign import Presigner
from gateway.ports import Bucket, Rewrite, SealedFile, StorageCredentials, Upload
from gateway.settings import VaultSettings
from gateway.state.engine import Database
from gateway.state.keys import SqlWrappedKeys
from gateway.state.schema import migrate
from gateway.storage.s3 import S3ObjectStore

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

MINUTE = timedelta(minutes=1)
HASTY = {"keys": {"shred_delay": 1}}


def shredder_file(stack, which):
    return stack.role_id_file.with_name(f"vault-shredder-{which}")


@pytest.fixture(scope="module")
def shredder_role(stack):
    """Vault as the shredder's role sees it."""
    anonymous = VaultApi(stack.vault)
    login = anonymous.write(
        "auth/approle/login",
        role_id=shredder_file(stack, "role-id").read_text(),
        secret_id=shredder_file(stack, "secret-id").read_text().strip(),
    )
    anonymous.close()
    api = VaultApi(stack.vault, token=login["auth"]["client_token"])
    yield api
    api.close()


@pytest.fixture(scope="module")
def kek(operator):
    name = f"gateway-{secrets.token_hex(16)}"
    operator.write(f"transit/keys/{name}", type="aes256-gcm96")
    return name


class TestTheShreddersRole:
    @pytest.mark.parametrize(
        ("path", "data"),
        [
            ("transit/keys/{kek}/config", {"exportable": True}),
            ("transit/keys/{kek}/config", {"deletion_allowed": False}),
            ("transit/keys/{kek}/config", {"min_decryption_version": 1}),
            ("transit/keys/{kek}/trim", {"min_available_version": 1}),
            ("transit/keys/gateway-tokens/config", {"deletion_allowed": True}),
            ("transit/keys/gateway-links/config", {"deletion_allowed": True}),
            ("transit/keys/gateway-checkpoints/config", {"deletion_allowed": True}),
            ("transit/keys/another/config", {"deletion_allowed": True}),
            ("transit/datakey/plaintext/{kek}", {}),
            ("transit/decrypt/{kek}", {"ciphertext": "vault:v1:AAAA"}),
            ("transit/rewrap/{kek}", {"ciphertext": "vault:v1:AAAA"}),
            ("transit/sign/gateway-tokens", {"input": "AAAA"}),
            ("auth/approle/role/gateway/secret-id", {}),
            ("auth/token/create", {}),
        ],
        ids=str,
    )
    def test_it_may_not_write(self, shredder_role, kek, path, data):
        with pytest.raises(VaultUnavailable, match="403"):
            shredder_role.write(path.format(kek=kek), **data)

    @pytest.mark.parametrize("path", ["transit/export/encryption-key/{kek}", "transit/backup/{kek}", "sys/mounts"])
    def test_it_may_not_read(self, shredder_role, kek, path):
        with pytest.raises(VaultUnavailable, match="403"):
            shredder_role.read(path.format(kek=kek))

    @pytest.mark.parametrize("name", ["gateway-tokens", "gateway-links", "gateway-checkpoints", "another"])
    def test_it_may_not_delete_what_is_no_datasets_key(self, shredder_role, name):
        with pytest.raises(VaultUnavailable, match="403"):
            shredder_role.delete(f"transit/keys/{name}")


class Later:
    def __init__(self):
        self.offset = timedelta()

    def __call__(self):
        return utc_now() + self.offset


@pytest.fixture
async def tree(stack, vault_settings, tmp_path):
    """A key tree on the real Vault, whose clock can be set on."""
    clock = Later()
    vault = TransitVault(vault_settings, clock)
    destroyer = TransitVault(
        VaultSettings(
            address=stack.vault,
            role_id_file=shredder_file(stack, "role-id"),
            secret_id_file=shredder_file(stack, "secret-id"),
        ),
        clock,
    )
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    await migrate(database)
    store = SqlWrappedKeys(database)
    yield clock, vault, destroyer, store, DataKeys(vault, store, clock), Lifecycle(vault, store, clock)
    await database.close()
    vault.close()
    destroyer.close()


async def test_versions_are_retired_in_vault_and_every_key_opens_afterwards(tree):
    clock, vault, _, store, keys, lifecycle = tree
    name = secrets.token_hex(16)
    _, key = await keys.current(name)
    old = (await store.find(name, 1)).wrapped
    assert await lifecycle.rotate(name) == (2, 1)
    clock.offset = MINUTE
    assert await lifecycle.retire(name) == 2
    state = await lifecycle.describe(name)
    assert (state.kek.newest, state.kek.oldest, sorted(state.kek.made_at)) == (2, 2, [2])
    with pytest.raises(IntegrityError):
        await vault.unwrap(f"gateway-{name}", old)
    assert await DataKeys(vault, store, clock).data_key(name, 1) == key


async def test_destroyed_keys_are_gone_from_vault_for_good(tree, operator):
    clock, vault, destroyer, store, keys, lifecycle = tree
    name = secrets.token_hex(16)
    await keys.current(name)
    wrapped = (await store.find(name, 1)).wrapped
    with pytest.raises(VaultUnavailable, match="refuses"):
        await lifecycle.destroy(name, vault)  # the everyday login cannot
    for _ in range(2):
        await lifecycle.destroy(name, destroyer)
    assert operator.read(f"transit/keys/gateway-{name}") is None
    with pytest.raises(IntegrityError):
        await vault.unwrap(f"gateway-{name}", wrapped)
    with pytest.raises(Shredded):
        await DataKeys(vault, store, clock).current(name)


class TestRewriting:
    """The function that works on an object, as another process runs it: plain values, links, and the real S3."""

    PART = 5 << 20

    @pytest.fixture
    def place(self, stack, bucket):
        place = Bucket(endpoint=stack.s3, name=bucket, region=stack.region)
        credentials = StorageCredentials(stack.access_key_id_file.read_text(), stack.secret_access_key_file.read_text())
        return S3ObjectStore(place, credentials, timeout=timedelta(seconds=20)), Presigner(
            place, credentials, clock=utc_now
        )

    def file(self, signer, where, key, content, **changed):
        link = signer.sign("GET", where, expires_in=MINUTE)
        values = {
            "url": link.url,
            "key": key,
            "key_check": key_check(key),
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        return SealedFile(**values | changed)

    def upload(self, signer, where, length, query=None):
        headers = {"content-length": str(length)}
        link = signer.sign("PUT", where, expires_in=MINUTE, headers=headers, query=query)
        return Upload(link.url, dict(link.headers))

    @pytest.mark.parametrize("size", [0, 1000, (1 << 20) - 56])
    async def test_an_object_is_written_anew_in_another_process(self, place, size):
        store, signer = place
        content, old, new = os.urandom(size), os.urandom(32), os.urandom(32)
        await store.put("r/o/p/0", seal(old, content))
        job = Rewrite(
            self.file(signer, "r/o/p/0", old, content),
            new,
            self.PART,
            (self.upload(signer, "r/o/p/0@2", ciphertext_size(size)),),
        )
        copy = self.file(signer, "r/o/p/0@2", new, content)
        with ProcessPoolExecutor(1) as executor:
            (etag,) = executor.submit(rewrite, job).result()
            executor.submit(read_back, copy).result()
            with pytest.raises(ContentMismatch):
                executor.submit(read_back, self.file(signer, "r/o/p/0@2", new, content, sha256="0" * 64)).result()
        assert etag

    async def test_a_long_object_is_written_in_parts(self, place):
        store, signer = place
        content, old, new = os.urandom(11 << 20), os.urandom(32), os.urandom(32)
        await store.put("r/o/p/0", seal(old, content))
        total = ciphertext_size(len(content))
        upload_id = await store.start_multipart("r/o/p/0@2")
        lengths = [min(self.PART, total - at) for at in range(0, total, self.PART)]
        uploads = tuple(
            self.upload(signer, "r/o/p/0@2", length, {"partNumber": str(number), "uploadId": upload_id})
            for number, length in enumerate(lengths, 1)
        )
        etags = rewrite(Rewrite(self.file(signer, "r/o/p/0", old, content), new, self.PART, uploads))
        assert len(etags) == 3
        await store.finish_multipart("r/o/p/0@2", upload_id, etags)
        read_back(self.file(signer, "r/o/p/0@2", new, content))

    async def test_a_source_that_is_not_what_its_manifest_says_is_not_written(self, place):
        store, signer = place
        content, old, new = os.urandom(5000), os.urandom(32), os.urandom(32)
        await store.put("r/o/p/0", seal(old, content))
        source = self.file(signer, "r/o/p/0", old, content, sha256="0" * 64)
        with pytest.raises(ContentMismatch):
            rewrite(Rewrite(source, new, self.PART, (self.upload(signer, "r/o/p/0@2", ciphertext_size(5000)),)))
        assert not await store.exists("r/o/p/0@2")


@pytest.fixture
def hasty(start_gateway):
    """A gateway where what takes days takes seconds."""
    return start_gateway(HASTY)


def until(found, wanted):
    deadline = time.monotonic() + 30
    while not wanted(value := found()):
        assert time.monotonic() < deadline, value
        time.sleep(0.05)
    return value


def test_files_are_encrypted_anew_while_they_are_read(sdk, cli, name, folder, tmp_path):
    files = {f"d/{number}.bin": os.urandom(200_000) for number in range(20)} | {"long.bin": os.urandom(9 << 20)}
    ada, grace = sdk("ada"), sdk("grace")
    ada.push(folder(files), name)
    ada_reads = Reads(ada, f"{name}@v1", files)
    with ada_reads:
        assert json.loads(cli("grace", "keys", "new-epoch", name, "--json").stdout)["epoch"] == 2
        followed = cli("grace", "keys", "reencrypt", name, "--follow")
        assert (followed.returncode, b"21 of 21 objects" in followed.stdout) == (0, True), followed.stderr
        done = ada_reads.count
        until(lambda: ada_reads.count, lambda count: count > done + 5 or ada_reads.failures)
    assert ada_reads.failures == []
    assert {epoch.epoch: epoch.objects for epoch in grace.keys.status(name).epochs} == {1: 0, 2: 21}
    shown = cli("grace", "keys", "status", name)
    assert (shown.returncode, b"epoch 2\t0 d\tversion 1\t0\t21\t" in shown.stdout) == (0, True), shown.stdout
    assert all("%402?" in link.url for link in ada.links(f"{name}@v1", list(files)))
    ada.pull(f"{name}@v1", tmp_path / "pulled")
    assert {path: (tmp_path / "pulled" / path).read_bytes() for path in files} == files
    assert grace.keys.reencryption(name).state == "settling"


class Reads:
    """Reads whole files and places in a long one, on and on, in a thread."""

    def __init__(self, gateway, ref, files):
        self.gateway, self.ref, self.files = gateway, ref, files
        self.failures, self.count = [], 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        with self.gateway.open(f"{self.ref}/long.bin", buffer_bytes=1 << 16) as long:
            while not self._stop.is_set() and not self.failures:
                try:
                    self._read(long)
                except Exception as error:  # noqa: BLE001 -- whatever it is, no read may fail
                    self.failures.append(error)
                self.count += 1

    def _read(self, long):
        path = f"d/{self.count % 20}.bin"
        assert b"".join(self.gateway.read(f"{self.ref}/{path}")) == self.files[path]
        at = long.seek((self.count * 777_777) % (8 << 20))
        assert long.read(1000) == self.files["long.bin"][at : at + 1000]


def test_keys_are_rotated_together_and_a_dataset_is_shredded_by_two_people(hasty, cli, sdk, operator, name, folder):
    ada = sdk("ada", hasty)
    for one in (name, f"{name}-2", f"{name}-3"):
        ada.push(folder({"a": b"personal data"}), one)
    rotated = cli("grace", "keys", "rotate", "--all", "--older-than", "1s", "--json", served=hasty)
    assert [json.loads(line)["name"] for line in rotated.stdout.splitlines()] == [name, f"{name}-2", f"{name}-3"]
    young = cli("grace", "keys", "rotate", "--all", "--older-than", "1d", served=hasty)
    assert (young.returncode, young.stdout) == (0, b"3 keys looked at, 0 rotated, 0 failed.\n")
    assert cli("grace", "keys", "rotate", served=hasty).returncode == 10

    asked = ("keys", "shred", name, "--reason", "request 4711")
    unconfirmed = cli("grace", *asked, served=hasty, stdin=subprocess.DEVNULL)
    assert (unconfirmed.returncode, b"--confirm" in unconfirmed.stderr) == (10, True)
    assert cli("ada", *asked, "--confirm", name, served=hasty).returncode == 30
    assert cli("grace", *asked, "--confirm", name, served=hasty).returncode == 0
    assert cli("grace", "keys", "approve-shred", name, "--confirm", name, served=hasty).returncode == 30
    assert cli("otto", "keys", "approve-shred", name, "--confirm", name, served=hasty).returncode == 0
    grace = sdk("grace", hasty)
    done = until(lambda: grace.keys.shredding(name), lambda found: found.state == "done")
    assert done.proof == {
        "vault-key": "not-found",
        "unwrap-epoch-1": "integrity-error",
        "open-epoch-1": "shredded",
    }
    shown = cli("otto", "keys", "shred-status", name, served=hasty)
    assert b"unwrap-epoch-1: integrity-error" in shown.stdout
    refused = cli("ada", "cat", f"{name}@v1/a", served=hasty)
    assert (refused.returncode in {33, 47}, refused.stdout) == (True, b"")
    assert operator.read(f"transit/keys/gateway-{id_of(hasty, name)}") is None
    assert operator.read(f"transit/keys/gateway-{id_of(hasty, f'{name}-2')}") is not None


def id_of(served, name):
    with contextlib.closing(sqlite3.connect(served.folder / "gateway.db")) as database:
        [(found,)] = database.execute("SELECT id FROM resources WHERE name = ?", (name.rpartition("/")[2],))
    return found


def test_a_gateway_killed_in_the_middle_goes_on_where_it_was(start_gateway, sdk, api, name, folder):
    served = start_gateway(HASTY)
    files = {f"{number}.bin": os.urandom(1000) for number in range(60)}
    ada, grace = sdk("ada", served), sdk("grace", served)
    ada.push(folder(files), name)
    grace.keys.new_epoch(name)
    grace.keys.reencrypt(name, bytes_per_second=20_000)  # three seconds for all of it
    until(lambda: grace.keys.reencryption(name).moved, lambda moved: moved >= 50)
    psutil.Process(served.process.pid).kill()
    served.process.stop()
    again = start_gateway.again(served)
    before = grace.keys.reencryption(name)
    assert (before.state, before.moved) == ("running", 50)
    let_go(again, name)
    after = until(lambda: grace.keys.reencryption(name), lambda found: found.state == "settling")
    assert (after.objects, after.moved, after.failed) == (60, 60, 0)
    assert {path: b"".join(ada.read(f"{name}@v1/{path}")) for path in files} == files


def let_go(served, name):
    """Let the minute pass in which the killed instance might have come back."""
    with contextlib.closing(sqlite3.connect(served.folder / "gateway.db")) as database, database:
        database.execute("UPDATE reencryptions SET held_until = '2020-01-01 00:00:00' WHERE resource = ?", (name,))
