"""What the login of who replaces secrets may do in a real OpenBao: what its policy says, and nothing else."""

import pytest

from gateway.devstack.vault_api import VaultApi
from gateway.errors import VaultUnavailable

pytestmark = pytest.mark.integration


@pytest.fixture
def names(own_vault):
    """The names by which paths below are filled in."""
    rotation = own_vault["rotation"]
    return {
        "transit": own_vault["vault"]["transit_mount"],
        "kv": rotation["kv_mount"],
        "role": rotation["gateway_role"],
    }


def logged_in(login):
    anonymous = VaultApi(login["address"])
    files = {half: open_text(login[f"{half}_file"]) for half in ("role_id", "secret_id")}
    token = anonymous.write("auth/approle/login", **files)["auth"]["client_token"]
    anonymous.close()
    return VaultApi(login["address"], token=token)


def open_text(file):
    with open(file, encoding="utf-8") as content:  # noqa: PTH123 -- settings name files as texts
        return content.read()


@pytest.fixture
def rotation(own_vault):
    api = logged_in(own_vault["rotation"]["vault"])
    yield api
    api.close()


@pytest.fixture
def gateway(own_vault):
    api = logged_in(own_vault["vault"])
    yield api
    api.close()


FORBIDDEN = (
    ("{transit}/keys/gateway-tokens/config", {"deletion_allowed": True}),
    ("{transit}/keys/gateway-tokens/config", {"exportable": True}),
    ("{transit}/keys/gateway-checkpoints/config", {"min_decryption_version": 1}),
    ("{transit}/keys/gateway-links/rotate", {}),
    ("{transit}/keys/gateway-tokens/trim", {"min_available_version": 1}),
    ("{transit}/decrypt/gateway-links", {"ciphertext": "vault:v1:AAAA"}),
    ("{transit}/datakey/plaintext/gateway-links", {}),
    ("auth/approle/role/{role}", {"token_policies": "root"}),
    ("auth/approle/role/{role}/custom-secret-id", {"secret_id": "one that I know"}),
    ("auth/token/create", {}),
    ("sys/policies/acl/{role}", {"policy": 'path "*" { capabilities = ["sudo"] }'}),
    ("sys/seal", {}),
    ("{kv}/data/elsewhere", {"data": {}}),
    ("{kv}/config", {"max_versions": 1}),
    ("secret/data/x", {"data": {}}),
)


@pytest.mark.parametrize(("path", "data"), FORBIDDEN, ids=lambda value: str(value)[:60])
def test_it_may_not_write(rotation, names, path, data):
    with pytest.raises(VaultUnavailable, match="403"):
        rotation.write(path.format(**names), **data)


@pytest.mark.parametrize(
    "path",
    ["{transit}/export/signing-key/gateway-tokens", "{transit}/backup/gateway-tokens", "sys/auth", "{kv}/metadata"],
)
def test_it_may_not_read(rotation, names, path):
    with pytest.raises(VaultUnavailable, match="403"):
        rotation.read(path.format(**names))


def test_it_may_delete_no_key(rotation, names):
    with pytest.raises(VaultUnavailable, match="403"):
        rotation.delete("{transit}/keys/gateway-tokens".format(**names))


def test_the_gateway_sees_nothing_of_what_a_rotation_keeps(rotation, gateway, names):
    pending = "{kv}/data/pending/gateway-secret-id".format(**names)
    rotation.write(pending, data={"new": "made and not yet published"}, options={"cas": 0})
    with pytest.raises(VaultUnavailable, match="403"):
        gateway.read(pending)
