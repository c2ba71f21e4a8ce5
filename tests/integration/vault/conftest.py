"""A real OpenBao of the tests' own to break, another one with TLS, and whoever the gateway is to them."""

import os
import secrets
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.clock import utc_now
from gateway.devstack import programs
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import LOOPBACK, free_ports
from gateway.devstack.openbao import OpenBao
from gateway.devstack.process import Process
from gateway.devstack.stack import prepare_vault
from gateway.devstack.vault_api import VaultApi
from gateway.keys.vault import TransitVault
from gateway.settings import VaultSettings

SETUP = Path(__file__).parents[3] / "infra/vault/setup"
READY_WITHIN = timedelta(seconds=30)


class MovingClock:
    """The time, and more."""

    def __init__(self):
        self.offset = timedelta()

    def __call__(self):
        return utc_now() + self.offset

    def advance(self, **by):
        self.offset += timedelta(**by)


@pytest.fixture
def clock():
    return MovingClock()


@pytest.fixture
def transit(clock):
    """Makes adapters from settings."""
    made = []

    def of(settings, **changes):
        made.append(TransitVault(settings.model_copy(update=changes), clock))
        return made[-1]

    yield of
    for vault in made:
        vault.close()


@dataclass
class OwnBao:
    """An OpenBao that a test may seal, freeze, stop and start."""

    state: StateFolder
    ports: tuple[int, int]
    bao: OpenBao
    operator: VaultApi

    @property
    def settings(self):
        folder = self.state.path / "secrets"
        return VaultSettings(
            address=self.bao.address,
            role_id_file=folder / "vault-role-id",
            secret_id_file=folder / "vault-secret-id",
            timeout=timedelta(seconds=1),
            patience=timedelta(seconds=3),
        )

    def seal(self):
        self.operator.write("sys/seal")

    def unseal(self):
        self.bao.open().close()

    def stop(self):
        self.operator.close()
        self.bao.process.stop()

    def start(self):
        self.bao = OpenBao.start(self.state, port=self.ports[0], cluster_port=self.ports[1])
        self.operator = self.bao.open()


@pytest.fixture(scope="module")
def own_bao(tmp_path_factory):
    """An OpenBao with its own disk, set up by `infra/vault/setup`. Whoever breaks it mends it."""
    with StateFolder(tmp_path_factory.mktemp("own-bao") / "state") as state:
        ports = tuple(free_ports(2))
        bao = OpenBao.start(state, port=ports[0], cluster_port=ports[1])
        own = OwnBao(state, ports, bao, bao.open())
        try:
            prepare_vault(bao, state)
            yield own
        finally:
            own.stop()


@dataclass(frozen=True)
class TlsBao:
    """An OpenBao behind TLS, with an authority that nobody else knows."""

    address: str
    authority: Path
    token: str

    def set_up(self, *words):
        """Run `infra/vault/setup` as its operator."""
        known = {"VAULT_ADDR": self.address, "VAULT_CACERT": str(self.authority), "VAULT_TOKEN": self.token}
        subprocess.run(
            ["/bin/bash", SETUP, *words],
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.authority.parent), "VAULT_CLI": str(programs.bao())} | known,
            capture_output=True,
            text=True,
            check=True,
        )


@pytest.fixture(scope="module")
def tls_bao(tmp_path_factory):
    with serving_tls(tmp_path_factory.mktemp("tls")) as bao:
        yield bao


@contextmanager
def serving_tls(folder):
    (port,) = free_ports(1)
    token, address = secrets.token_hex(16), f"https://{LOOPBACK}:{port}"
    process = Process.start(
        "OpenBao with TLS",
        [
            programs.bao(),
            "server",
            "-dev",
            "-dev-tls",
            f"-dev-tls-cert-dir={folder}",
            f"-dev-listen-address={LOOPBACK}:{port}",
            "-dev-no-store-token",
        ],
        log=Path(os.devnull),  # it would write its root token there
        environment={"HOME": str(folder), "PATH": "", "BAO_DEV_ROOT_TOKEN_ID": token},
        folder=folder,
    )
    try:
        process.wait_ready(lambda: answers_by_tls(folder, address), within=READY_WITHIN)
        yield TlsBao(address, authority_in(folder), token)
    finally:
        process.stop()


def authority_in(folder):
    return next(folder.glob("*-ca.pem"), None)


def answers_by_tls(folder, address):
    authority = authority_in(folder)
    if authority is None:
        return False
    try:
        context = ssl.create_default_context(cafile=authority)
        return httpx.get(f"{address}/v1/sys/health", verify=context, trust_env=False).status_code == httpx.codes.OK
    except (httpx.TransportError, ssl.SSLError):
        return False


@pytest.fixture
def set_up(stack, tmp_path):
    """Runs `infra/vault/setup` as the operator of the shared stack, or of the address given."""

    def run(*words, **environment):
        known = {"VAULT_ADDR": stack.vault, "VAULT_TOKEN": stack.root_token_file.read_text(), "HOME": str(tmp_path)}
        subprocess.run(
            ["/bin/bash", SETUP, *words],
            env={"PATH": "/usr/bin:/bin", "VAULT_CLI": str(programs.bao())} | known | environment,
            capture_output=True,
            check=True,
        )

    return run


@pytest.fixture(scope="session")
def authority_pem():
    """The certificate of an authority that has signed nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Vault Dev CA")])
    now = utc_now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()
