"""The embedded stack as a whole: what it refuses, what it keeps, and that it leaves nothing running."""

import itertools
import json
import signal
import socket
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime

import boto3
import psutil
import pytest

from gateway.devstack.development import Development
from gateway.devstack.folder import StateFolder
from gateway.devstack.openbao import OpenBao
from gateway.devstack.process import Process
from gateway.devstack.stack import Description, Stack, prepare_vault, running
from gateway.devstack.vault_api import VaultApi
from gateway.errors import PortInUse, ProcessFailed, VaultUnavailable

pytestmark = pytest.mark.integration
WITHIN_SECONDS = 60


def s3_client(description):
    return boto3.client(
        "s3",
        endpoint_url=description.s3,
        region_name=description.region,
        aws_access_key_id=description.access_key_id_file.read_text(),
        aws_secret_access_key=description.secret_access_key_file.read_text(),
    )


def eventually(condition):
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def alone(tmp_path):
    """Starts `python -m gateway.devstack` on a folder; it is killed at the end."""
    started = []

    def start(folder):
        command = [sys.executable, "-m", "gateway.devstack", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_taken_port_is_named_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server, StateFolder(tmp_path / "state") as folder:
        taken = server.getsockname()[1]
        ports = {"vault": 1, "vault_cluster": 1, "seaweedfs": [1, 1, 1, 1, taken]}
        (folder.path / "ports.json").write_text(json.dumps({**ports, "vault": taken}))
        with pytest.raises(PortInUse, match=f"Port {taken} .*OpenBao"), running(folder):
            pass
        assert not (folder.path / "openbao").exists()


def test_a_part_that_cannot_start_is_named_and_the_rest_is_stopped(tmp_path):
    with StateFolder(tmp_path / "state") as folder:
        folder.subfolder("openbao")
        folder.subfolder("openbao/raft").joinpath("vault.db").mkdir()
        with pytest.raises(ProcessFailed, match=r"^OpenBao ended with exit code 1\. Its log ends:"), running(folder):
            pass
    assert not [child for child in psutil.Process().children(recursive=True) if str(tmp_path) in str(child.cmdline())]


def test_a_second_run_resumes_the_first(tmp_path):
    with StateFolder(tmp_path / "state") as folder, running(folder) as stack:
        first = stack.description
        stack.operator.write("transit/keys/gateway-kept", type="aes256-gcm96")
        s3_client(first).put_object(Bucket=first.bucket, Key="kept", Body=b"x" * 10_000)
        secret_id = first.secret_id_file.read_text()
    with StateFolder(tmp_path / "state") as folder, running(folder) as stack:
        assert stack.description == first
        assert stack.operator.read("transit/keys/gateway-kept") is not None
        answer = s3_client(first).get_object(Bucket=first.bucket, Key="kept")
        assert answer["Body"].read() == b"x" * 10_000
        assert first.secret_id_file.read_text() == secret_id


def test_a_running_folder_is_refused_a_crash_is_named_and_a_signal_stops_all(alone, tmp_path):
    folder = tmp_path / "state"
    first = alone(folder)
    eventually((folder / "stack.json").exists)
    parts = psutil.Process(first.pid).children()

    second = alone(folder)
    assert "state is in use by another run" in second.communicate(timeout=WITHIN_SECONDS)[1]
    assert second.returncode == 1

    next(part for part in parts if "weed" in part.name()).kill()
    assert "SeaweedFS was ended by signal 9" in first.communicate(timeout=WITHIN_SECONDS)[1]
    assert first.returncode == 1
    assert all(is_gone(part) for part in parts)
    assert not (folder / "stack.json").exists()

    third = alone(folder)
    eventually((folder / "stack.json").exists)
    parts = psutil.Process(third.pid).children()
    third.send_signal(signal.SIGTERM)
    assert third.communicate(timeout=WITHIN_SECONDS)[1] == ""
    assert third.returncode == 0
    assert all(is_gone(part) for part in parts)


def test_a_killed_run_leaves_no_process_behind(alone, tmp_path):
    run = alone(tmp_path / "state")
    eventually((tmp_path / "state" / "stack.json").exists)
    parts = psutil.Process(run.pid).children()
    assert len(parts) == 2
    run.kill()
    eventually(lambda: all(is_gone(part) for part in parts))


def test_no_secret_is_in_an_argument_a_log_or_the_description(stack):
    secrets = [file.read_text().strip() for file in (stack.state / "secrets").iterdir()]
    assert len(secrets) > 10
    texts = [stack.model_dump_json(), *(log.read_text() for log in (stack.state / "logs").iterdir())]
    texts += [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [text for text in texts for secret in secrets if secret in text]


def test_every_secret_is_for_our_eyes_only(stack):
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (stack.state / "secrets").iterdir()}
    assert modes == {0o600}


def test_a_set_up_that_vault_refuses_is_said(stack, tmp_path):
    with StateFolder(tmp_path / "state") as folder:
        folder.keep_secret("vault-root-token", "no-operators-token")
        bao = OpenBao(None, stack.vault, folder)
        with pytest.raises(
            ProcessFailed, match=r"infra/vault/setup ended with exit code [\s\S]*permission denied"
        ) as failure:
            prepare_vault(bao, folder)
    assert "no-operators-token" not in failure.value.message


def test_the_workload_gets_a_fresh_token_while_the_stack_runs(stack, operator, tmp_path):
    times = itertools.chain([datetime(2026, 1, 1, tzinfo=UTC)], itertools.repeat(datetime(2026, 1, 1, 6, tzinfo=UTC)))
    with StateFolder(tmp_path / "state") as folder:
        short = Process.start(
            "The gateway",
            [sys.executable, "-c", "import time; time.sleep(0.3)"],
            log=folder.log("gateway"),
            environment=None,
            folder=tmp_path,
        )
        development = Development(Stack(stack, (), operator, folder), short, "", tmp_path)
        with pytest.raises(ProcessFailed, match="The gateway ended with exit code 0"):
            development.watch(lambda: next(times))
        fresh = folder.secret_file("workload-token").read_text()
    assert fresh.count(".") == 2


def test_the_description_reads_back(stack):
    assert Description.model_validate_json(stack.model_dump_json()) == stack


def test_the_operators_access_says_what_vault_refuses(operator, stack):
    with pytest.raises(VaultUnavailable, match="refused POST sys/mounts/cubbyhole: 400"):
        operator.write("sys/mounts/cubbyhole", type="transit")
    assert operator.read("secret/none") is None


def test_the_operators_access_says_that_vault_is_away(free_port):
    away = VaultApi(f"http://127.0.0.1:{free_port}")
    with pytest.raises(VaultUnavailable, match=f":{free_port} does not answer"):
        away.read("sys/health")
    away.close()


def test_the_operators_access_copes_with_an_answer_that_is_not_vaults(stack):
    storage = VaultApi(stack.s3)
    with pytest.raises(VaultUnavailable, match="without a reason"):
        storage.write("sys/mounts/x")
    storage.close()
