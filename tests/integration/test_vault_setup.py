"""`infra/vault/setup` as an operator runs it."""

import stat
import subprocess
from pathlib import Path

import pytest

from gateway.devstack import programs

pytestmark = pytest.mark.integration

SETUP = Path(__file__).parents[2] / "infra" / "vault" / "setup"


def run(*arguments, **environment):
    command = ["/bin/bash", SETUP, *arguments]
    return subprocess.run(
        command, env={"PATH": "/usr/bin:/bin"} | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def operators_environment(stack, tmp_path):
    return {
        "VAULT_CLI": str(programs.bao()),
        "VAULT_ADDR": stack.vault,
        "VAULT_TOKEN": stack.root_token_file.read_text(),
        "HOME": str(tmp_path),
    }


def test_without_a_program_it_says_so():
    done = run()
    assert done.returncode == 2
    assert "Name one in VAULT_CLI" in done.stderr


def test_without_an_operators_token_it_fails(operators_environment):
    done = run(**operators_environment | {"VAULT_TOKEN": "no-operators-token"})
    assert done.returncode != 0
    assert "permission denied" in done.stderr
    assert "no-operators-token" not in done.stdout + done.stderr


def test_a_second_run_changes_no_key_and_adds_a_login(operators_environment, operator, stack, tmp_path):
    fixed = [f"transit/keys/gateway-{name}" for name in ("checkpoints", "links", "tokens")]
    before = [operator.read(key)["data"]["keys"] for key in fixed]
    done = run(tmp_path, **operators_environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert [operator.read(key)["data"]["keys"] for key in fixed] == before
    role_id, secret_id = tmp_path / "vault-role-id", tmp_path / "vault-secret-id"
    assert {stat.S_IMODE(file.stat().st_mode) for file in (role_id, secret_id)} == {0o600}
    assert role_id.read_text() == stack.role_id_file.read_text()
    assert secret_id.read_text() not in done.stdout
    login = operator.write("auth/approle/login", role_id=role_id.read_text(), secret_id=secret_id.read_text())["auth"]
    assert login["token_policies"] == ["gateway"]
    assert login["lease_duration"] == 3600
