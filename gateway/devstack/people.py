"""Who exists in the embedded stack: four people with an OIDC provider, and one workload with tokens of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.devstack.folder import StateFolder
from gateway.devstack.vault_api import VaultApi

PEOPLE: Mapping[str, str] = {"ada": "ml-research", "ivan": "interns", "grace": "data-stewards", "otto": "auditors"}
"""Each person and their group."""
WORKLOAD, WORKLOAD_GROUP = "trainer", "training-jobs"
WORKLOAD_AUDIENCE = "ml-data-gateway"
REDIRECT_URI = "http://127.0.0.1/callback"
"""Any port of it is accepted, as RFC 8252 7.3 asks for loopback redirects."""

_TEMPLATES = {
    "groups": '{"groups": {{identity.entity.groups.names}}}',
    "profile": '{"preferred_username": {{identity.entity.name}}}',
}
_WORKLOAD_TEMPLATE = '{"groups": {{identity.entity.groups.names}}, "preferred_username": {{identity.entity.name}}}'
_MAY_GET_TOKEN = f'path "identity/oidc/token/{WORKLOAD}" {{ capabilities = ["read"] }}'


@dataclass(frozen=True, slots=True)
class Provider:
    """The two issuers of the stack."""

    issuer: str
    """OIDC provider of the people."""
    client_id: str
    """Its public client, for `gateway login`."""
    jobs_issuer: str
    """Issuer of the workload's tokens."""


def set_up(vault: VaultApi, folder: StateFolder) -> Provider:
    """Make everybody and their issuers; run it as often as you like."""
    _enable_auth(vault, "userpass", kind="userpass")
    _enable_auth(vault, "workloads", kind="approle")
    for name, group in PEOPLE.items():
        _add_person(vault, name, group, password_file=folder.random_secret(f"{name}-password"))
    _add_workload(vault)
    return _set_up_issuers(vault)


def password_file(folder: StateFolder, name: str) -> Path:
    """Return where a person's password is kept."""
    return folder.secret_file(f"{name}-password")


def workload_token(vault: VaultApi) -> str:
    """Log the workload in and return a fresh JWT of its own, good for 24 hours."""
    secret_id = vault.write(f"auth/workloads/role/{WORKLOAD}/secret-id")["data"]["secret_id"]
    login = vault.write("auth/workloads/login", role_id=WORKLOAD, secret_id=secret_id)
    workload = VaultApi(vault.address, token=login["auth"]["client_token"])
    try:
        answer = workload.read(f"identity/oidc/token/{WORKLOAD}") or {}
    finally:
        workload.close()
    token: str = answer["data"]["token"]
    return token


def _add_person(vault: VaultApi, name: str, group: str, *, password_file: Path) -> None:
    vault.write(f"auth/userpass/users/{name}", password=password_file.read_text(), token_policies=["default"])
    _add_member(vault, name, group, alias=name, accessor=_accessor(vault, "userpass"))


def _add_workload(vault: VaultApi) -> None:
    vault.write(f"sys/policies/acl/{WORKLOAD}", policy=_MAY_GET_TOKEN)
    vault.write(
        f"auth/workloads/role/{WORKLOAD}",
        role_id=WORKLOAD,
        token_policies=[WORKLOAD],
        token_ttl=600,
        secret_id_ttl=600,
        secret_id_num_uses=1,
    )
    _add_member(vault, WORKLOAD, WORKLOAD_GROUP, alias=WORKLOAD, accessor=_accessor(vault, "workloads"))


def _add_member(vault: VaultApi, name: str, group: str, *, alias: str, accessor: str) -> None:
    vault.write(f"identity/entity/name/{name}")
    entity = vault.read(f"identity/entity/name/{name}") or {}
    identifier = entity["data"]["id"]
    vault.write("identity/entity-alias", name=alias, canonical_id=identifier, mount_accessor=accessor)
    vault.write(f"identity/group/name/{group}", member_entity_ids=[identifier])


def _set_up_issuers(vault: VaultApi) -> Provider:
    vault.write("identity/oidc/key/gateway", algorithm="RS256", allowed_client_ids=["*"])
    for scope, template in _TEMPLATES.items():
        vault.write(f"identity/oidc/scope/{scope}", template=template)
    vault.write(
        "identity/oidc/client/gateway",
        client_type="public",
        redirect_uris=[REDIRECT_URI],
        assignments=["allow_all"],
        key="gateway",
        id_token_ttl=3600,
    )
    client = vault.read("identity/oidc/client/gateway") or {}
    client_id: str = client["data"]["client_id"]
    vault.write(
        "identity/oidc/provider/gateway",
        issuer=vault.address,
        allowed_client_ids=[client_id],
        scopes_supported=sorted(_TEMPLATES),
    )
    vault.write("identity/oidc/config", issuer=vault.address)
    vault.write(
        f"identity/oidc/role/{WORKLOAD}",
        key="gateway",
        client_id=WORKLOAD_AUDIENCE,
        ttl="24h",
        template=_WORKLOAD_TEMPLATE,
    )
    return Provider(
        issuer=f"{vault.address}/v1/identity/oidc/provider/gateway",
        client_id=client_id,
        jobs_issuer=f"{vault.address}/v1/identity/oidc",
    )


def _enable_auth(vault: VaultApi, mount: str, *, kind: str) -> None:
    if f"{mount}/" not in (vault.read("sys/auth") or {})["data"]:
        vault.write(f"sys/auth/{mount}", type=kind)


def _accessor(vault: VaultApi, mount: str) -> str:
    accessor: str = (vault.read("sys/auth") or {})["data"][f"{mount}/"]["accessor"]
    return accessor
