"""The gateway's login to a real OpenBao: what it may do, how it stays alive, and how it fails."""

import asyncio
import secrets
import socket
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.clock import utc_now
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import free_ports
from gateway.devstack.openbao import OpenBao
from gateway.devstack.process import answers
from gateway.devstack.vault_api import VaultApi
from gateway.errors import VaultUnavailable
from gateway.keys.vault import TransitVault

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


class MovingClock:
    def __init__(self):
        self.offset = timedelta()

    def __call__(self):
        return utc_now() + self.offset


@pytest.fixture
def clock():
    return MovingClock()


@pytest.fixture
def vault(vault_settings, clock):
    vault = TransitVault(vault_settings, clock)
    yield vault
    vault.close()


@pytest.fixture(scope="module")
def role(stack):
    """Vault as the gateway's role sees it, without our adapter's good manners."""
    anonymous = VaultApi(stack.vault)
    login = anonymous.write(
        "auth/approle/login", role_id=stack.role_id_file.read_text(), secret_id=stack.secret_id_file.read_text().strip()
    )
    anonymous.close()
    api = VaultApi(stack.vault, token=login["auth"]["client_token"])
    yield api
    api.close()


@pytest.fixture(scope="module")
def kek(role):
    name = f"gateway-{secrets.token_hex(16)}"
    role.write(f"transit/keys/{name}", type="aes256-gcm96")
    return name


FORBIDDEN_READS = (
    "transit/export/encryption-key/{kek}",
    "transit/export/signing-key/gateway-tokens",
    "transit/export/signing-key/gateway-checkpoints",
    "transit/backup/{kek}",
    "transit/keys?list=true",
    "transit/keys/another",
    "transit/wrapping_key",
    "sys/mounts",
    "sys/auth",
    "sys/policies/acl/gateway",
    "sys/internal/counters/tokens",
    "identity/entity/name/ada",
    "identity/oidc/token/trainer",
    "auth/approle/role/gateway/role-id",
    "auth/token/lookup-self",
    "cubbyhole/secret",
)

FORBIDDEN_WRITES = (
    ("transit/keys/another", {"type": "aes256-gcm96"}),
    ("transit/keys/gateway-x", {"type": "aes256-gcm96", "exportable": True}),
    ("transit/keys/gateway-x", {"type": "aes256-gcm96", "allow_plaintext_backup": True}),
    ("transit/keys/gateway-x", {"type": "rsa-4096"}),
    ("transit/keys/gateway-x", {"type": "ed25519"}),
    ("transit/sign/gateway-checkpoints/sha2-256", {"input": "AAAA"}),
    ("transit/keys/gateway-checkpoints/config", {"deletion_allowed": True}),
    ("transit/keys/gateway-checkpoints/config", {"min_decryption_version": 1}),
    ("transit/keys/gateway-checkpoints/rotate", {}),
    ("transit/keys/gateway-tokens/config", {"min_decryption_version": 1}),
    ("transit/keys/gateway-tokens/rotate", {}),
    ("transit/keys/another/rotate", {}),
    ("transit/keys/{kek}/config", {"deletion_allowed": True}),
    ("transit/keys/{kek}/config", {"exportable": True}),
    ("transit/keys/{kek}/config", {"min_encryption_version": 1}),
    ("transit/keys/{kek}/config", {"auto_rotate_period": "1h"}),
    ("transit/keys/{kek}/trim", {"min_available_version": 1}),
    ("transit/keys/gateway-x/import", {"ciphertext": "AAAA"}),
    ("transit/keys/{kek}/import_version", {"ciphertext": "AAAA"}),
    ("transit/keys/gateway-tokens/set-certificate", {"certificate_chain": "x"}),
    ("transit/restore/gateway-x", {"backup": "AAAA"}),
    ("transit/encrypt/{kek}", {"plaintext": "AAAA"}),
    ("transit/datakey/wrapped/{kek}", {}),
    ("transit/datakey/plaintext/another", {}),
    ("transit/decrypt/another", {"ciphertext": "vault:v1:AAAA"}),
    ("transit/rewrap/another", {"ciphertext": "vault:v1:AAAA"}),
    ("transit/sign/another", {"input": "AAAA"}),
    ("transit/sign/{kek}", {"input": "AAAA"}),
    ("transit/hmac/{kek}", {"input": "AAAA"}),
    ("transit/random/32", {}),
    ("transit/cache-config", {"size": 10}),
    ("transit/config/keys", {"disable_upsert": True}),
    ("sys/policies/acl/gateway", {"policy": 'path "*" { capabilities = ["sudo"] }'}),
    ("sys/mounts/other", {"type": "transit"}),
    ("sys/auth/other", {"type": "approle"}),
    ("sys/seal", {}),
    ("auth/approle/role/gateway", {"token_policies": "root"}),
    ("auth/approle/role/gateway/secret-id", {}),
    ("auth/token/create", {}),
    ("auth/token/lookup-self", {}),
    ("sys/wrapping/wrap", {"a": "b"}),
)


@pytest.mark.parametrize("path", FORBIDDEN_READS)
def test_the_role_may_not_read(role, kek, path):
    with pytest.raises(VaultUnavailable, match="403"):
        role.read(path.format(kek=kek))


@pytest.mark.parametrize(("path", "data"), FORBIDDEN_WRITES, ids=lambda value: str(value)[:60])
def test_the_role_may_not_write(role, kek, path, data):
    with pytest.raises(VaultUnavailable, match="403"):
        role.write(path.format(kek=kek), **data)


@pytest.mark.parametrize(
    "path", ["transit/keys/{kek}", "transit/keys/{kek}/soft-delete", "transit/keys/gateway-tokens"]
)
def test_the_role_may_not_delete(role, kek, path):
    with pytest.raises(VaultUnavailable, match="403"):
        role.delete(path.format(kek=kek))


def test_a_key_stays_as_protected_as_it_was_made(role, kek, operator):
    role.write(f"transit/keys/{kek}/config")  # allowed, and without parameters it changes nothing
    key = operator.read(f"transit/keys/{kek}")["data"]
    assert not any((key["exportable"], key["deletion_allowed"], key["allow_plaintext_backup"]))


async def test_a_refused_login_is_said_with_its_next_step(vault_settings, tmp_path):
    wrong = tmp_path / "secret-id"
    wrong.write_text("8b0e0f5e-0000-0000-0000-000000000000")
    vault = TransitVault(vault_settings.model_copy(update={"secret_id_file": wrong}), utc_now)
    with pytest.raises(VaultUnavailable, match="refuses the gateway's login") as refusal:
        await vault.check()
    assert "infra/vault/setup" in refusal.value.hint
    assert "8b0e0f5e" not in str(refusal.value)


async def test_a_missing_secret_file_is_named(vault_settings, tmp_path):
    vault = TransitVault(vault_settings.model_copy(update={"role_id_file": tmp_path / "none"}), utc_now)
    with pytest.raises(VaultUnavailable, match=r"none.*cannot be read"):
        await vault.check()


async def test_vault_away_is_said(vault_settings, free_port):
    vault = TransitVault(vault_settings.model_copy(update={"address": f"http://127.0.0.1:{free_port}"}), utc_now)
    with pytest.raises(VaultUnavailable, match=f":{free_port} does not answer"):
        await vault.check()


async def test_a_vault_that_hangs_is_given_up(vault_settings):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        hasty = vault_settings.model_copy(update={"address": address, "timeout": timedelta(seconds=0.2)})
        with pytest.raises(VaultUnavailable, match="does not answer"):
            await TransitVault(hasty, utc_now).check()


@pytest.fixture
def answering():
    """Starts a server that gives one answer to everything."""
    servers = []

    def start(status, headers):
        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                """Keep quiet."""

        server = HTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


async def test_a_redirect_is_not_followed_with_the_token(vault_settings, answering):
    address = answering(307, {"Location": f"{vault_settings.address}/v1/auth/approle/login"})
    vault = TransitVault(vault_settings.model_copy(update={"address": address}), utc_now)
    with pytest.raises(VaultUnavailable, match="sends us elsewhere"):
        await vault.check()
    vault.close()


async def test_a_failing_vault_is_said(vault_settings, answering):
    vault = TransitVault(vault_settings.model_copy(update={"address": answering(500, {})}), utc_now)
    with pytest.raises(VaultUnavailable, match=r"failed \(HTTP 500\)"):
        await vault.check()
    vault.close()


async def test_a_role_without_its_policy_is_refused_and_said(new_login):
    vault = TransitVault(new_login(token_policies=[]), utc_now)
    with pytest.raises(VaultUnavailable, match="refuses the gateway"):
        await vault.check()


async def test_a_vault_that_is_new_or_sealed_is_said_to_be_sealed(vault_settings, tmp_path):
    with StateFolder(tmp_path / "state") as folder:
        port, cluster_port = free_ports(2)
        bao = OpenBao.start(folder, port=port, cluster_port=cluster_port)
        vault = TransitVault(vault_settings.model_copy(update={"address": bao.address}), utc_now)
        try:
            bao.process.wait_ready(
                lambda: answers(f"{bao.address}/v1/sys/health", status=501), within=timedelta(seconds=30)
            )
            with pytest.raises(VaultUnavailable, match="is sealed"):
                await vault.check()
            operator = bao.open()
            operator.write("sys/seal")
            operator.close()
            with pytest.raises(VaultUnavailable, match="is sealed"):
                await vault.check()
        finally:
            vault.close()
            bao.process.stop()


async def test_many_requests_at_once_log_in_once_and_renew_once(new_login, clock):
    vault = TransitVault(new_login(token_policies=["gateway"], secret_id_num_uses=1), clock)
    await asyncio.gather(*(vault.check() for _ in range(30)))  # a second login would be refused
    clock.offset = timedelta(minutes=31)
    await asyncio.gather(*(vault.check() for _ in range(30)))
    vault.close()


async def test_a_token_revoked_before_its_lease_ends_is_replaced_at_the_first_403(vault, operator):
    await vault.check()
    dead = vault._session._client.token
    operator.write("auth/token/revoke", token=dead)
    await vault.check()
    assert vault._session._client.token != dead


async def test_a_token_is_renewed_ahead_of_its_leases_end(vault, operator, clock):
    await vault.check()
    token = vault._session._client.token
    accessor = operator.write("auth/token/lookup", token=token)["data"]["accessor"]
    clock.offset = timedelta(minutes=31)
    await vault.check()
    assert vault._session._client.token == token
    assert "last_renewal_time" in operator.write("auth/token/lookup-accessor", accessor=accessor)["data"]


async def test_a_renewal_that_fails_is_no_failure_of_the_request(vault, operator, clock):
    await vault.check()
    dead = vault._session._client.token
    operator.write("auth/token/revoke", token=dead)
    clock.offset = timedelta(minutes=31)
    await vault.check()
    assert vault._session._client.token != dead


async def test_after_the_leases_end_we_log_in_again(vault, clock):
    await vault.check()
    token = vault._session._client.token
    clock.offset = timedelta(minutes=61)
    await vault.check()
    assert vault._session._client.token != token


async def test_signatures_verify_with_the_key_that_they_name(own_vault_settings, operator):
    vault = TransitVault(own_vault_settings, utc_now)
    old_id, old = await vault.sign(b"message")
    operator.write(f"{own_vault_settings.transit_mount}/keys/gateway-tokens/rotate")
    new_id, new = await vault.sign(b"message")
    keys = {key.key_id: key.public_pem for key in await vault.public_keys()}
    vault.close()
    assert (old_id, new_id) == ("gateway-tokens-1", "gateway-tokens-2")
    assert list(keys)[-1] == new_id
    for key_id, signature in ((old_id, old), (new_id, new)):
        assert len(signature) == 64
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        load_pem_public_key(keys[key_id].encode()).verify(encode_dss_signature(r, s), b"message", ECDSA(SHA256()))


async def test_a_version_that_may_no_longer_verify_is_not_among_the_keys(own_vault_settings, operator):
    vault = TransitVault(own_vault_settings, utc_now)
    keys = f"{own_vault_settings.transit_mount}/keys/gateway-tokens"
    operator.write(f"{keys}/rotate")
    operator.write(f"{keys}/config", min_decryption_version=2, min_encryption_version=2)
    assert [key.key_id for key in await vault.public_keys()] == ["gateway-tokens-2"]
    vault.close()


async def test_the_adapter_shows_no_secret(vault, vault_settings):
    await vault.check()
    assert vault._session._client.token not in f"{vault!r}{vars(vault)!r}"


def test_the_stack_listens_on_loopback_only(stack):
    assert {urlsplit(url).hostname for url in (stack.vault, stack.s3)} == {"127.0.0.1"}
