"""What the shredder's login may not do, and that nothing is asked of Vault but what the operator's page lists."""

import inspect
import re
import secrets
from pathlib import Path

import pytest

from gateway.devstack.vault_api import VaultApi
from gateway.errors import VaultUnavailable
from gateway.keys.vault import TransitVault

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

PAGE = Path(__file__).parents[3] / "infra/vault/README.md"


@pytest.fixture(scope="module")
def shredder(stack):
    """Vault as the shredder's login sees it."""
    folder, anonymous = stack.role_id_file.parent, VaultApi(stack.vault)
    login = anonymous.write(
        "auth/approle/login",
        role_id=(folder / "vault-shredder-role-id").read_text().strip(),
        secret_id=(folder / "vault-shredder-secret-id").read_text().strip(),
    )
    anonymous.close()
    api = VaultApi(stack.vault, token=login["auth"]["client_token"])
    yield api
    api.close()


@pytest.fixture
def kek(operator):
    name = f"gateway-{secrets.token_hex(16)}"
    operator.write(f"transit/keys/{name}", type="aes256-gcm96")
    return name


class TestTheShredder:
    @pytest.mark.parametrize(
        ("path", "data"),
        [
            ("transit/keys/{kek}/config", {"exportable": True}),
            ("transit/keys/{kek}/config", {"allow_plaintext_backup": True}),
            ("transit/keys/{kek}/config", {"min_decryption_version": 1}),
            ("transit/keys/{kek}/trim", {"min_available_version": 1}),
            ("transit/keys/gateway-tokens/config", {"deletion_allowed": True}),
            ("transit/keys/gateway-links/config", {"deletion_allowed": True}),
            ("transit/keys/gateway-checkpoints/config", {"deletion_allowed": True}),
            ("transit/keys/another/config", {"deletion_allowed": True}),
            ("transit/keys/gateway-new", {"type": "aes256-gcm96"}),
            ("transit/datakey/plaintext/{kek}", {}),
            ("transit/decrypt/{kek}", {"ciphertext": "vault:v1:AAAA"}),
            ("transit/rewrap/{kek}", {"ciphertext": "vault:v1:AAAA"}),
            ("transit/encrypt/{kek}", {"plaintext": "AAAA"}),
            ("transit/sign/gateway-tokens", {"input": "AAAA"}),
            ("transit/restore/gateway-x", {"backup": "AAAA"}),
            ("auth/approle/role/gateway/secret-id", {}),
            ("auth/approle/role/gateway-shredder/secret-id", {}),
            ("auth/token/create", {}),
            ("sys/policies/acl/gateway-shredder", {"policy": 'path "*" { capabilities = ["sudo"] }'}),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_it_may_not_write(self, shredder, kek, path, data):
        with pytest.raises(VaultUnavailable, match="403"):
            shredder.write(path.format(kek=kek), **data)

    @pytest.mark.parametrize(
        "path",
        [
            "transit/export/encryption-key/{kek}",
            "transit/backup/{kek}",
            "transit/keys?list=true",
            "transit/keys/gateway-tokens",
            "sys/mounts",
            "auth/approle/role/gateway/role-id",
        ],
    )
    def test_it_may_not_read(self, shredder, kek, path):
        with pytest.raises(VaultUnavailable, match="403"):
            shredder.read(path.format(kek=kek))

    @pytest.mark.parametrize("name", ["gateway-tokens", "gateway-links", "gateway-checkpoints", "another"])
    def test_it_may_not_delete_what_is_not_a_datasets(self, shredder, name):
        with pytest.raises(VaultUnavailable, match="403"):
            shredder.delete(f"transit/keys/{name}")

    def test_it_deletes_a_datasets_kek_in_two_steps(self, shredder, kek, operator):
        with pytest.raises(VaultUnavailable, match="400"):
            shredder.delete(f"transit/keys/{kek}")
        shredder.write(f"transit/keys/{kek}/config", deletion_allowed=True)
        shredder.delete(f"transit/keys/{kek}")
        assert operator.read(f"transit/keys/{kek}") is None


def listed(by):
    """The requests that the page says are made by this one."""
    rows = re.findall(r"^\| (\w+) \| `([^`]+)` \| (\w+) \|$", PAGE.read_text(), re.MULTILINE)
    return {(method, path) for method, path, who in rows if who == by}


def generic(path):
    """The path as the page writes it, with placeholders for names."""
    for pattern, written in (
        (r"^auth/[\w-]+/login$", "auth/<mount>/login"),
        (r"^(transit/(?:keys|datakey/plaintext|decrypt|rewrap|sign|verify))/[\w-]+", r"\1/<name>"),
        (r"^gateway/(data|metadata)/.+", r"<kv>/\1/<path>"),
        (r"^(sys/(?:mounts|auth))/.+", r"\1/<mount>"),
        (r"^(sys/policies/acl)/.+", r"\1/<policy>"),
        (r"^(auth/approle/role)/[\w-]+", r"\1/<role>"),
    ):
        path = re.sub(pattern, written, path)
    return path


async def use_all(vault, destroyer):
    """Use each of the adapter's methods once."""
    kek = f"gateway-{secrets.token_hex(16)}"
    await vault.login()
    await vault.check()
    await vault.create_kek(kek)
    key = await vault.new_data_key(kek)
    await vault.unwrap(kek, key.wrapped)
    await vault.rotate_kek(kek)
    await vault.rewrap(kek, key.wrapped)
    await vault.describe_kek(kek)
    await vault.retire_kek(kek, before=2)
    await vault.public_keys()
    await vault.sign(b"message")
    await vault.checkpoint_keys()
    await vault.sign_checkpoint(b"message")
    await destroyer.destroy_kek(kek)


async def test_the_gateway_asks_what_the_page_lists_and_nothing_else(transit, stack, vault_settings, clock):
    asked = set()

    def note(response, **_):
        asked.add((response.request.method, generic(response.request.path_url.removeprefix("/v1/"))))

    folder = stack.role_id_file.parent
    vault = transit(vault_settings)
    destroyer = transit(
        vault_settings,
        role_id_file=folder / "vault-shredder-role-id",
        secret_id_file=folder / "vault-shredder-secret-id",
    )
    for one in (vault, destroyer):
        one._session._http.hooks["response"].append(note)
    await use_all(vault, destroyer)
    clock.advance(minutes=31)
    await vault.check()  # renews
    assert asked == listed("gateway")


def test_each_method_of_the_adapter_is_among_those_used():
    public = {name for name, _ in inspect.getmembers(TransitVault, inspect.iscoroutinefunction) if name[0] != "_"}
    used = set(re.findall(r"(?:vault|destroyer)\.(\w+)\(", inspect.getsource(use_all)))
    assert public == used


def test_the_setup_script_asks_what_the_page_lists_and_nothing_else(operator, set_up, relay, stack, tmp_path):
    namespace = f"test-{secrets.token_hex(8)}"
    operator.write(f"sys/namespaces/{namespace}")
    line = relay(stack.vault)
    set_up(tmp_path, VAULT_ADDR=line.url, VAULT_NAMESPACE=namespace)
    assert {(method, generic(path)) for method, path in line.asked} == listed("setup")
    first = (tmp_path / "vault-role-id").read_text()
    line.asked.clear()
    set_up(VAULT_ADDR=line.url, VAULT_NAMESPACE=namespace)  # again, and there is less to do
    assert {(method, generic(path)) for method, path in line.asked} < listed("setup")
    again = operator.read(f"{namespace}/auth/approle/role/gateway/role-id")["data"]["role_id"]
    assert again == first.strip()
    operator.delete(f"sys/namespaces/{namespace}")


def test_who_replaces_secrets_may_ask_what_the_page_lists_and_nothing_else():
    methods = {"read": "GET", "create": "POST", "update": "POST", "delete": "DELETE", "list": "LIST"}
    policy = (PAGE.parent / "rotation.hcl").read_text()
    rules = re.findall(r'^path "([^"]+)" \{\s+capabilities\s+= \[([^\]]+)\]', policy, re.MULTILINE)
    assert len(rules) == policy.count("\npath ")
    may = {(methods[word], generic(path)) for path, words in rules for word in re.findall(r"\w+", words)}
    assert may | {("POST", "auth/<mount>/login")} == listed("rotation")
