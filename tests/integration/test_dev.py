"""`gateway dev` as a person runs it: one line when all is up, nothing left at its end, a clear word when it cannot."""

import json
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import psutil
import pytest

pytestmark = pytest.mark.integration
WITHIN_SECONDS = 60


@pytest.fixture
def dev(tmp_path):
    """Starts `gateway dev`; it is killed at the end."""
    started = []

    def start(*options):
        command = [sys.executable, "-m", "gateway", "dev", "--state", tmp_path / "state", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ready_line(process):
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return json.loads(line)


def test_a_port_in_use_is_refused_by_number(dev, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        process = dev("--port", str(taken))
        out, err = process.communicate(timeout=WITHIN_SECONDS)
    assert (out, process.returncode != 0) == ("", True)
    assert f"Port {taken}" in err
    assert not (tmp_path / "state" / "openbao").exists()


def test_a_configuration_that_is_not_there_is_refused_by_name(dev, tmp_path):
    process = dev("--config", tmp_path / "none.toml")
    out, err = process.communicate(timeout=WITHIN_SECONDS)
    assert (out, process.returncode != 0) == ("", True)
    assert "none.toml" in err


def test_a_setting_that_does_not_exist_is_refused_and_all_is_stopped(dev, tmp_path):
    (tmp_path / "more.toml").write_text("[server]\nno_such_setting = 1\n")
    process = dev("--port", "0", "--config", tmp_path / "more.toml")
    out, err = process.communicate(timeout=WITHIN_SECONDS)
    assert (out, process.returncode != 0) == ("", True)
    assert "no_such_setting" in err


def test_dev_prints_one_line_serves_and_ends_with_nothing_left(dev, tmp_path):
    more = tmp_path / "more.toml"
    more.write_text(
        '[[issuers]]\nalias = "more"\nissuer = "http://127.0.0.1:9"\naudiences = ["a"]\nclient_id = "c"\n'
        "[links]\ndefault_ttl = 60\n"
    )
    process = dev("--port", "0", "--config", more)
    ready = ready_line(process)
    parts = psutil.Process(process.pid).children()
    assert len(parts) == 3
    assert ready["ready"] is True
    assert [(user["name"], user["groups"]) for user in ready["users"]] == [
        ("ada", ["ml-research"]),
        ("ivan", ["interns"]),
        ("grace", ["data-stewards"]),
        ("otto", ["auditors"]),
    ]
    assert all(Path(user["password_file"]).read_text() for user in ready["users"])
    issuers = {issuer["alias"]: issuer for issuer in httpx.get(f"{ready['url']}/v1/login").json()["issuers"]}
    assert set(issuers) == {"people", "more"}
    assert issuers["people"]["issuer"] == ready["issuer"]
    assert tomllib.loads(Path(ready["config"]).read_text())["links"] == {"default_ttl": 60}
    for url in (f"{ready['url']}/readyz", f"{ready['vault']}/v1/sys/health"):
        assert httpx.get(url).status_code == 200
    assert httpx.get(ready["s3"]).status_code == 403

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WITHIN_SECONDS)
    assert (out, err, process.returncode) == ("", "", 0)
    assert not [part for part in parts if part.is_running()]


def test_a_crashed_gateway_is_named_and_the_rest_is_stopped(dev):
    process = dev("--port", "0")
    ready_line(process)
    parts = psutil.Process(process.pid).children()
    next(part for part in parts if "serve" in part.cmdline()).kill()
    out, err = process.communicate(timeout=WITHIN_SECONDS)
    assert (out, process.returncode != 0) == ("", True)
    assert "The gateway was ended by signal 9" in err
    assert not [part for part in parts if part.is_running()]
