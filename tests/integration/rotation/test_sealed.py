"""Vault is sealed in the middle of a rotation: it waits, and ends well once somebody has unsealed Vault."""

import threading
from pathlib import Path

import pytest

from gateway.devstack.folder import StateFolder
from gateway.devstack.network import free_ports
from gateway.devstack.openbao import OpenBao
from gateway.devstack.vault_api import VaultApi
from gateway.errors import VaultUnavailable
from gateway.model import Secret
from gateway.rotation.machine import State
from gateway.rotation.steps import Step
from gateway.settings import load
from gateway.state.engine import Database
from gateway.state.schema import migrate

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

SECRETS = (Secret.GATEWAY_SECRET_ID, Secret.CHECKPOINT_KEY)


@pytest.fixture
def bao(tmp_path):
    """An OpenBao that is the test's own, and may be sealed."""
    with StateFolder(tmp_path / "bao") as folder:
        port, cluster_port = free_ports(2)
        server = OpenBao.start(folder, port=port, cluster_port=cluster_port)
        operator = server.open()
        yield server, operator, folder.secret_file("vault-unseal-key")
        operator.close()
        server.process.stop()


@pytest.fixture
def own_vault(bao, prepare_vault, tmp_path):
    (tmp_path / "logins").mkdir()
    bao[1].write("sys/auth/approle", type="approle")
    return prepare_vault(bao[1], "own", tmp_path / "logins")


@pytest.fixture
async def file(settings_file):
    made = settings_file({"patience": 20})
    database = Database.of(load(made).state)
    await migrate(database)
    await database.close()
    return made


def unseal(address, key_file: Path):
    anonymous = VaultApi(address)
    anonymous.write("sys/unseal", key=key_file.read_text())
    anonymous.close()


async def test_a_rotation_outlives_a_vault_that_is_sealed_and_unsealed(bao, rotation_of, file):
    server, operator, key_file = bao
    sealed = []

    def seal(secret, step, noted):
        if (secret, step) == (Secret.GATEWAY_SECRET_ID, Step.PUBLISH) and not sealed:
            operator.write("sys/seal")
            sealed.append(secret)
            threading.Timer(1.5, unseal, (server.address, key_file)).start()

    async with rotation_of(file, told=seal) as rotation:
        results = await rotation.run(SECRETS, wait=False)
    assert sealed
    assert [result.state for result in results] == [State.REPLACED, State.REPLACED], results


async def test_one_that_stays_sealed_ends_the_run_and_the_next_goes_on(bao, rotation_of, settings_file, clock):
    server, operator, key_file = bao
    file = settings_file({"patience": 1})

    def seal(secret, step, noted):
        if step is Step.PUBLISH and noted:
            operator.write("sys/seal")

    with pytest.raises(VaultUnavailable, match="sealed"):
        async with rotation_of(file, told=seal) as rotation:
            await rotation.run([Secret.CHECKPOINT_KEY], wait=False)
    unseal(server.address, key_file)
    server.open().close()
    async with rotation_of(file) as rotation:
        clock.offset += load(file).rotation.lease
        (result,) = await rotation.run([Secret.CHECKPOINT_KEY], wait=False)
    assert result.state is State.REPLACED
