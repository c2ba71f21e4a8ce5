"""Vault, S3, the provider or the disk away, at start and in flight: said by name, nothing lost, no restart needed."""

import json
import os
import resource
import secrets
import socket
import subprocess
import sys
import threading
import time

import httpx
import psutil
import pytest

from gateway import errors
from gateway.devstack.network import LOOPBACK

pytestmark = pytest.mark.integration

BIG = os.urandom(24 << 20)


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def wait_ready(served, within=20):
    deadline = time.monotonic() + within
    while served.readiness()[0] != 200:
        assert time.monotonic() < deadline, served.readiness()
        time.sleep(0.1)


@pytest.fixture
def behind(stack, relay, start_gateway):
    """Starts a gateway that reaches Vault and S3 through relays; returns all three."""

    def start(*, vault_joined=True, s3_joined=True):
        vault, s3 = relay(stack.vault, joined=vault_joined), relay(stack.s3, joined=s3_joined)
        served = start_gateway(
            {"vault": {"address": vault.url, "timeout": 2}, "storage": {"endpoint": s3.url, "timeout": 3}},
            until="/readyz" if vault_joined and s3_joined else "/healthz",
        )
        return served, vault, s3

    return start


@pytest.fixture
def log_in_at(stack):
    """Asks a gateway for a token with the workload's own, and returns the answer."""

    def ask(served):
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": stack.workload_token_file.read_text().strip(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        }
        return httpx.post(f"{served.url}/oauth2/token", data=form, trust_env=False, timeout=30)

    return ask


def test_vault_away_at_start_is_said_and_its_return_needs_no_restart(behind, log_in_at):
    served, vault, _ = behind(vault_joined=False)
    status, parts = served.readiness()
    assert status == 503
    assert {name for name, word in parts.items() if word != "ok"} == {"vault"}
    refused = log_in_at(served)
    assert (refused.status_code, refused.json()["code"]) == (503, "vault-unavailable")
    assert "vault is away" in (served.folder / "gateway.log").read_text()
    vault.join()
    wait_ready(served)
    assert log_in_at(served).status_code == 200


def test_vault_away_in_flight_grants_nothing_new_and_loses_nothing(behind, api, sdk, name, folder, tmp_path):
    served, vault, _ = behind()
    ada = sdk("ada", served)
    ada.push(folder({"a": b"a"}), name)
    vault.cut()
    answer = api("ada", served).post(f"/v1/{name}-new/pushes", json={})
    assert problem(answer) == (503, "vault-unavailable")
    assert answer.headers["retry-after"]
    assert answer.json()["hint"]
    assert served.readiness()[1]["vault"] != "ok"
    assert served.told(f"{name}-new")["ada", "PublishVersion", "Allowed", "Failure (vault-unavailable)"] == 1
    vault.join()
    wait_ready(served)
    ada.push(folder({"b": b"b"}), f"{name}-new")
    ada.pull(name, tmp_path / "out")
    assert (tmp_path / "out/a").read_bytes() == b"a"


def test_a_gateway_that_comes_back_without_vault_hands_out_no_key(behind, start_gateway, sdk, api, name, folder):
    served, vault, _ = behind()
    sdk("ada", served).push(folder({"a": b"a"}), name)
    http = api("ada", served)
    served.process.stop()
    vault.cut()
    start_gateway.again(served, until="/healthz")
    answer = http.post(f"/v1/{name}/versions/v1/links", json={"paths": ["a"]})
    assert problem(answer) == (503, "vault-unavailable")
    vault.join()
    wait_ready(served)
    time.sleep(int(answer.headers["retry-after"]))  # until then Vault is not asked again
    assert http.post(f"/v1/{name}/versions/v1/links", json={"paths": ["a"]}).status_code == 200


def test_s3_away_at_start_is_said_and_its_return_needs_no_restart(behind, sdk, api, name, folder):
    served, _, s3 = behind(s3_joined=False)
    status, parts = served.readiness()
    assert status == 503
    assert {part for part, word in parts.items() if word != "ok"} == {"storage"}
    http = api("ada", served)
    push = http.post(f"/v1/{name}/pushes", json={}).json()["push_id"]
    commit = http.post(f"/v1/{name}/pushes/{push}/commit", content=b"")
    assert problem(commit) == (503, "storage-unavailable")
    s3.join()
    wait_ready(served)
    sdk("ada", served).push(folder({"a": b"a"}), name)


def test_a_push_without_s3_publishes_nothing_and_may_be_run_again(behind, sdk, name, folder):
    served, _, s3 = behind()
    ada = sdk("ada", served)
    s3.cut()
    with pytest.raises(errors.StorageUnavailable, match=str(s3.port)):
        ada.push(folder({"a": b"a"}), name)
    assert ada.describe(name).versions == ()
    s3.join()
    wait_ready(served)
    assert ada.push(folder({"a": b"a"}), name).version.number == 1


def test_a_push_that_loses_s3_half_way_publishes_nothing(behind, sdk, name, folder):
    served, _, s3 = behind()
    ada = sdk("ada", served)
    ada.push(folder({"a": b"a"}), name)
    source = folder({f"part-{number}": BIG for number in range(3)})
    threading.Timer(0.3, s3.cut).start()
    with pytest.raises(errors.StorageUnavailable):
        ada.push(source, name)
    s3.join()
    assert [version.number for version in ada.describe(name).versions] == [1]


def test_a_pull_goes_on_where_s3_broke_off(behind, sdk, name, folder, tmp_path):
    served, _, s3 = behind()
    ada = sdk("ada", served)
    ada.push(folder({"big": BIG}), name)
    s3.cut_after(10 << 20)
    threading.Timer(1.0, s3.join).start()
    ada.pull(name, tmp_path / "out")
    assert (tmp_path / "out/big").read_bytes() == BIG


def test_a_pull_that_s3_leaves_for_good_says_so_and_goes_on_when_it_is_back(behind, sdk, name, folder, tmp_path):
    served, _, s3 = behind()
    ada = sdk("ada", served)
    ada.push(folder({"big": BIG}), name)
    s3.cut_after(10 << 20)
    with pytest.raises(errors.StorageUnavailable, match=str(s3.port)):
        ada.pull(name, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".gateway-partial"]
    s3.join()
    ada.pull(name, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["big"]
    assert (tmp_path / "out" / "big").read_bytes() == BIG


def test_a_stream_that_loses_s3_never_looks_whole(behind, sdk, web, name, folder):
    served, _, s3 = behind()
    ada = sdk("ada", served)
    ada.push(folder({"big": BIG}), name)
    link = ada.link(f"{name}/big")
    s3.cut_after(10 << 20)
    with pytest.raises(httpx.RemoteProtocolError):
        web.get(link.url)
    assert problem(web.get(link.url)) == (503, "storage-unavailable")
    s3.join()
    assert web.get(link.url).content == BIG
    failed = {status for *_, status in served.told(name).elements() if status.startswith("Failure")}
    assert failed == {"Failure (storage-unavailable)"}


@pytest.fixture
def own_provider(stack, operator, relay):
    """A provider of the test's own in OpenBao, whose address is a relay's."""
    line = relay(stack.vault)
    name = f"t-{secrets.token_hex(6)}"
    operator.write(
        f"identity/oidc/provider/{name}",
        issuer=line.url,
        allowed_client_ids=[stack.client_id],
        scopes_supported=["groups", "profile"],
    )
    return line, f"{line.url}/v1/identity/oidc/provider/{name}"


def test_a_provider_that_is_away_refuses_logins_alone_and_its_return_needs_no_restart(
    own_provider, start_gateway, id_token_of, log_in_at, stack
):
    line, issuer = own_provider
    token = id_token_of("ada", issuer)
    line.cut()
    served = start_gateway({"issuers": [{"alias": "people", "issuer": issuer}]})
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }
    answer = httpx.post(f"{served.url}/oauth2/token", data=form, trust_env=False, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer-unavailable")
    assert log_in_at(served).status_code == 200  # jobs have another issuer
    line.join()
    deadline = time.monotonic() + 30
    while (answer := httpx.post(f"{served.url}/oauth2/token", data=form, trust_env=False)).status_code == 503:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
    assert answer.status_code == 200
    line.cut()
    answer = httpx.post(f"{served.url}/oauth2/token", data=form, trust_env=False)
    assert answer.status_code == 200  # its keys are known by now


def test_a_full_disk_under_the_journal_grants_nothing_and_ends_when_there_is_room(
    start_gateway, sdk, api, web, name, folder
):
    served = start_gateway()
    ada = sdk("ada", served)
    ada.push(folder({"a": b"a"}), name)
    stream = ada.link(f"{name}/a")
    http = api("ada", served)
    process = psutil.Process(served.process.pid)
    process.rlimit(psutil.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))  # no file may grow beyond
    before = len(served.records())
    for answer in (
        http.post(f"/v1/{name}/versions/v1/links", json={"paths": ["a"]}),
        http.get(f"/v1/{name}/versions/v1/files"),
        http.get(f"/v1/{name}"),
        http.post(f"/v1/{name}/pushes", json={}),
        http.get("/v1/resources"),
        web.get(stream.url),
        http.get("/v1/dataset/secret/none"),
    ):
        assert problem(answer) == (503, "journal-unavailable"), answer.text
        assert "url" not in answer.json()
    status, parts = served.readiness()
    assert (status, parts["journal"] != "ok") == (503, True)
    assert len(served.records()) == before
    process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_ready(served)
    assert http.post(f"/v1/{name}/versions/v1/links", json={"paths": ["a"]}).status_code == 200
    assert len(served.records()) > before


def test_a_port_in_use_is_named_with_an_exit_code_of_its_own(gateway_config):
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        file = gateway_config({"server": {"port": port}})
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "serve", "--config", file], capture_output=True, text=True, check=False
        )
    assert done.returncode == 84
    assert f"Port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_gateway_is_named_with_an_exit_code_of_its_own(cli, free_port):
    done = cli("ada", "ls", "--json", "--url", f"http://{LOOPBACK}:{free_port}")
    said = json.loads(done.stderr)
    assert (done.returncode, said["code"]) == (76, "gateway-unavailable")
    assert str(free_port) in said["detail"]
