"""`gateway rotate-secrets` as an operator and a scheduler run it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from gateway.cli import main
from gateway.clock import utc_now
from gateway.devstack.vault_api import VaultApi
from gateway.errors import VaultUnavailable
from gateway.model import Holding, Secret
from gateway.settings import load
from gateway.state.engine import Database
from gateway.state.holdings import SqlHoldings
from gateway.state.schema import migrate

pytestmark = pytest.mark.integration


@pytest.fixture
def file(settings_file):
    made = settings_file({"lease": 1})
    anyio.run(on_database, made, migrate)
    return made


async def on_database(file, work):
    database = Database.of(load(file).state)
    try:
        await work(database)
    finally:
        await database.close()


@pytest.fixture
def types(file, capsys):
    """Types the command, and returns its exit code, what it said and what it complained of."""

    def run(*words):
        code = main(["rotate-secrets", "--config", str(file), *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def asleep(file):
    """An instance that says it holds an old secret id, so that a rotation waits for it, until it is woken up."""
    held = [Holding(Secret.GATEWAY_SECRET_ID, "old", ("old",))]
    anyio.run(on_database, file, lambda database: SqlHoldings(database, utc_now).report("asleep", held))
    return lambda: anyio.run(on_database, file, lambda database: SqlHoldings(database, utc_now).withdraw("asleep"))


def test_without_a_login_of_its_own_it_says_how_to_make_one(gateway_config, capsys):
    file = gateway_config()
    file.write_text(re.sub(r"\[rotation\]\nvault = .*\n", "", file.read_text()))
    assert main(["rotate-secrets", "--config", str(file), "--list"]) == 16
    assert "infra/vault/setup makes one; name it in [rotation.vault]" in capsys.readouterr().err


def test_a_name_that_is_none_is_a_wrong_command_line(types):
    code, _, said = types("--only", "everything")
    assert code == 2
    assert "checkpoint-key" in said


def test_the_list_tells_age_and_due_date_of_each_and_changes_nothing(types, own_vault, operator):
    code, said, _ = types("--list", "--json")
    listed = {row["secret"]: row for row in json.loads(said)}
    assert code == 0
    assert {"token-key", "link-key", "checkpoint-key", "s3-credentials", "gateway-secret-id", "rotation-secret-id"} <= {
        *listed
    }
    assert listed["checkpoint-key"]["present"] == "gateway-checkpoints-1"
    assert listed["checkpoint-key"]["made_at"] < listed["checkpoint-key"]["due_at"]
    assert (listed["link-key"]["present"], listed["link-key"]["due_at"]) == (None, None)
    assert operator.read(f"{own_vault['rotation']['kv_mount']}/metadata/", list="true") is None


def test_a_dry_run_tells_the_steps_of_what_is_due_and_takes_none(types, operator, own_vault):
    code, said, _ = types("--dry-run", "--only", "checkpoint-key", "--json")
    assert code == 0
    assert json.loads(said)[0]["steps"][:3] == ["make", "publish", "take-up"]
    key = operator.read(f"{own_vault['vault']['transit_mount']}/keys/gateway-checkpoints")
    assert key["data"]["latest_version"] == 1


def test_what_is_not_due_stays(types):
    assert types("--only", "gateway-secret-id", "--json")[0] == 0
    code, said, _ = types("--dry-run", "--json")
    assert code == 0
    assert "gateway-secret-id" not in said


def test_one_that_waits_for_an_overlap_ends_with_a_code_of_its_own_and_the_next_run_ends_it(types):
    code, said, _ = types("--only", "s3-credentials", "--json")
    (waiting,) = json.loads(said)
    assert (code, waiting["state"]) == (3, "waiting")
    code, said, steps = types("--only", "s3-credentials", "--wait")
    assert (code, said) == (0, "s3-credentials\treplaced\t\n")
    assert steps.splitlines() == [f"s3-credentials: {step}" for step in ("overlap", "revoke", "prove")]


def test_its_own_login_is_replaced_as_well(types, file, stack):
    login = load(file).rotation.vault
    old = login.secret_id_file.read_text()
    assert types("--only", "rotation-secret-id")[0] == 0
    assert login.secret_id_file.read_text() != old
    assert types("--list")[0] == 0


def test_a_run_that_was_killed_is_gone_on_with_by_the_next(file, asleep, own_vault, operator, types):
    command = [sys.executable, "-m", "gateway", "rotate-secrets", "--config", file, "--only", "gateway-secret-id"]
    old = load(file).vault.secret_id_file.read_text()
    progress = f"{own_vault['rotation']['kv_mount']}/data/progress/gateway-secret-id"
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + 30
        while not (found := operator.read(progress)) or found["data"]["data"]["step"] != "take-up":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        new = load(file).vault.secret_id_file.read_text()
        for shown in ("cmdline", "environ"):
            content = Path(f"/proc/{run.pid}/{shown}").read_text()
            assert old not in content
            assert new not in content
        code, _, said = types("--only", "gateway-secret-id", "--json")
        assert (code, json.loads(said)["code"]) == (55, "rotation-held")
        os.kill(run.pid, signal.SIGKILL)
        said, complaints = run.communicate()
    assert new not in said + complaints
    asleep()
    time.sleep(1)  # its lease
    assert types("--only", "gateway-secret-id", "--json")[0] == 0
    assert load(file).vault.secret_id_file.read_text() == new != old
    anonymous = VaultApi(operator.address)
    role_id = load(file).vault.role_id_file.read_text()
    with pytest.raises(VaultUnavailable, match="400"):
        anonymous.write("auth/approle/login", role_id=role_id, secret_id=old)
    anonymous.close()
