"""Fixtures that every test may use, and the real OpenBao and SeaweedFS that a whole run shares.

The stack is a process of its own. Under xdist the controller starts it at once and its workers find it by its folder;
without xdist the first test that wants it starts it. It is tied to the process that started it, so that it ends with
the run, also when that is killed.
"""

import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import boto3
import psycopg
import pytest
import secret_scan
from botocore.config import Config

from gateway.devstack import configuration
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import free_ports
from gateway.devstack.postgresql import PostgreSQL
from gateway.devstack.process import Process
from gateway.devstack.redis import Redis
from gateway.devstack.stack import Description
from gateway.devstack.vault_api import VaultApi
from gateway.settings import VaultSettings

REPOSITORY = Path(__file__).parents[1]
STACK_WITHIN_SECONDS = 90
STACK_FOLDER = pytest.StashKey[Path]()
STACK_PROCESS = pytest.StashKey[Process]()
HOME = pytest.StashKey[str]()


def pytest_configure(config):
    # Whoever runs the tests on a desktop keeps their own keyring as it is.
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    config.stash[HOME] = os.environ["GATEWAY_HOME"] = tempfile.mkdtemp(prefix="gateway-home-")
    is_controller = not hasattr(config, "workerinput") and bool(config.getoption("numprocesses", None))
    if is_controller and "not integration" not in config.getoption("markexpr"):
        start_stack(config)


@pytest.hookimpl(optionalhook=True)  # xdist's
def pytest_configure_node(node):
    if STACK_FOLDER in node.config.stash:
        node.workerinput["stack_folder"] = str(node.config.stash[STACK_FOLDER])


def pytest_unconfigure(config):
    if HOME in config.stash:
        shutil.rmtree(config.stash[HOME])
    if STACK_PROCESS in config.stash:
        config.stash[STACK_PROCESS].stop()
        shutil.rmtree(config.stash[STACK_FOLDER])


def start_stack(config):
    folder = Path(tempfile.mkdtemp(prefix="gateway-tests-"))
    config.stash[STACK_FOLDER] = folder
    config.stash[STACK_PROCESS] = Process.start(
        "The stack for tests",
        [sys.executable, "-m", "gateway.devstack", folder],
        log=folder / "stack.log",
        environment=None,
        folder=REPOSITORY,
    )
    secret_scan.watch(config, folder)


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def stack(pytestconfig):
    """Where the run's OpenBao and SeaweedFS are: a `gateway.devstack.stack.Description`."""
    if hasattr(pytestconfig, "workerinput"):
        folder = Path(pytestconfig.workerinput["stack_folder"])
    else:
        if STACK_FOLDER not in pytestconfig.stash:
            start_stack(pytestconfig)
        folder = pytestconfig.stash[STACK_FOLDER]
    deadline = time.monotonic() + STACK_WITHIN_SECONDS
    while not (folder / "stack.json").exists():
        assert time.monotonic() < deadline, (folder / "stack.log").read_text()
        time.sleep(0.05)
    return Description.model_validate_json((folder / "stack.json").read_text())


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """The folder of this worker's PostgreSQL and Redis, which are started when the first test wants them."""
    with StateFolder(tmp_path_factory.mktemp("servers")) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgresql(servers):
    """A PostgreSQL of this worker's tests, which may lose what it holds if it is killed, and is quicker for it."""
    server = PostgreSQL.start(servers, port=free_ports(1)[0], settings={"fsync": "off", "max_connections": "300"})
    server.wait_ready()
    yield server
    server.process.stop()


@pytest.fixture
def redis_server(tmp_path):
    """A Redis of the test's own: it is there in an instant, and may be stopped, frozen and emptied."""
    with StateFolder(tmp_path / "redis") as folder:
        server = Redis.start(folder, port=free_ports(1)[0])
        server.wait_ready()
        yield server
        server.process.stop()


@pytest.fixture(scope="session")
def new_schema(postgresql):
    """Makes an empty schema of a random name in PostgreSQL, and returns the URL whose tables are there."""

    def make():
        name = f"test_{secrets.token_hex(8)}"
        parameters = {"user": "gateway", "password": postgresql.password_file.read_text(), "dbname": "postgres"}
        with psycopg.connect(host="127.0.0.1", port=postgresql.port, **parameters) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{postgresql.url}?options=-csearch_path%3D{name}"

    return make


@pytest.fixture(scope="session")
def operator(stack):
    """OpenBao with the root token, for tests to arrange and inspect."""
    api = VaultApi(stack.vault, token=stack.root_token_file.read_text())
    yield api
    api.close()


@pytest.fixture
def vault_settings(stack):
    """The gateway's own login to the stack's OpenBao."""
    return VaultSettings(address=stack.vault, role_id_file=stack.role_id_file, secret_id_file=stack.secret_id_file)


@pytest.fixture
def own_vault_settings(stack, operator, tmp_path):
    """A login like the gateway's to a transit mount of the test's own, for tests that change the fixed keys."""
    name = f"test-{secrets.token_hex(8)}"
    policy = (REPOSITORY / "infra/vault/gateway.hcl").read_text().replace("transit/", f"{name}/")
    operator.write(f"sys/mounts/{name}", type="transit")
    operator.write(f"{name}/keys/gateway-tokens", type="ecdsa-p256")
    operator.write(f"sys/policies/acl/{name}", policy=policy)
    return vault_login(stack, operator, tmp_path, role=name, token_policies=[name]).model_copy(
        update={"transit_mount": name}
    )


def vault_login(stack, operator, folder, *, role, **options):
    operator.write(f"auth/approle/role/{role}", token_no_default_policy=True, token_ttl=3600, **options)
    role_id, secret_id = folder / f"{role}.role-id", folder / f"{role}.secret-id"
    role_id.write_text(operator.read(f"auth/approle/role/{role}/role-id")["data"]["role_id"])
    secret_id.write_text(operator.write(f"auth/approle/role/{role}/secret-id")["data"]["secret_id"])
    return VaultSettings(address=stack.vault, role_id_file=role_id, secret_id_file=secret_id)


@pytest.fixture
def new_login(stack, operator, tmp_path):
    """Makes an AppRole with the given options, and returns the settings that log in with it."""

    def new(**options):
        return vault_login(stack, operator, tmp_path, role=f"test-{secrets.token_hex(8)}", **options)

    return new


@pytest.fixture(scope="session")
def s3(stack):
    """A boto3 client of SeaweedFS with full rights."""
    client = boto3.client(
        "s3",
        endpoint_url=stack.s3,
        region_name=stack.region,
        aws_access_key_id=stack.access_key_id_file.read_text(),
        aws_secret_access_key=stack.secret_access_key_file.read_text(),
        config=Config(proxies={}),
    )
    yield client
    client.close()


@pytest.fixture
def bucket(s3):
    """The name of a new, empty bucket."""
    name = f"test-{secrets.token_hex(8)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def free_port():
    """A port that was free a moment ago. Keys in Vault need no such care: their names are random."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def gateway_config(stack, bucket, free_port, tmp_path):
    """Writes a gateway.toml on the shared stack with its own port, bucket, database and journal.

    Call it with a mapping of further settings to lay over; it returns the file.
    """

    def write(more=None, *, policies=REPOSITORY / "policies"):
        base = configuration.for_stack(stack, folder=tmp_path, port=free_port, policies=policies, bucket=bucket)
        file = tmp_path / "gateway.toml"
        file.write_text(configuration.dump(configuration.merge(base, more or {})), encoding="utf-8")
        return file

    return write
