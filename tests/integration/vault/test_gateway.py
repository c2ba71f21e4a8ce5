"""A whole gateway on an OpenBao that is sealed under it, and what is left of its keys where they must not be."""

import base64
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import sqlalchemy

pytestmark = pytest.mark.integration


@pytest.fixture
def on_own_bao(own_bao, start_gateway):
    """Starts a gateway on the OpenBao that tests may break."""

    def start(**keys):
        known = own_bao.settings
        vault = {
            "address": known.address,
            "role_id_file": str(known.role_id_file),
            "secret_id_file": str(known.secret_id_file),
            "timeout": 1,
            "patience": 2,
        }
        return start_gateway({"vault": vault, "keys": keys})

    return start


def until(found, within=15):
    deadline = time.monotonic() + within
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def test_sealed_under_us_open_keys_serve_for_their_time_and_then_we_say_when_to_come_again(
    on_own_bao, own_bao, sdk, api, name, folder
):
    served = on_own_bao(lifetime=4)
    http = api("ada", served)

    def link():
        return http.post(f"/v1/{name}/versions/v1/links", json={"paths": ["a"]})

    sdk("ada", served).push(folder({"a": b"a"}), name)
    own_bao.seal()
    try:
        assert link().status_code == 200
        assert link().json()["links"][0]["object_key"]
        refused = until(lambda: answer if (answer := link()).status_code != 200 else None)
        assert (refused.status_code, refused.json()["code"]) == (503, "vault-unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert until(lambda: served.readiness()[1]["vault"] == "vault-circuit-open")
        assert served.readiness()[0] == 503
        before = time.monotonic()
        assert link().status_code == 503
        assert time.monotonic() - before < 2.5  # our patience, and this machine
    finally:
        own_bao.unseal()
    until(lambda: served.readiness()[0] == 200)
    assert link().status_code == 200


def test_a_running_gateway_dumps_no_core(shared):
    limits = Path(f"/proc/{shared.process.pid}/limits").read_text()
    assert "Max core file size 0 0 bytes" in " ".join(limits.split())


def test_a_running_gateway_locks_its_memory_or_says_that_it_may_not(shared):
    status = Path(f"/proc/{shared.process.pid}/status").read_text()
    locked = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmLck:")))
    resident = psutil.Process(shared.process.pid).memory_info().rss >> 10
    said = "only cached data keys are kept out of the swap" in (shared.folder / "gateway.log").read_text()
    assert locked > resident / 2 or (said and locked > 0)


def test_a_data_key_is_in_no_file_of_the_gateway(on_own_bao, own_bao, sdk, name, folder, tmp_path):
    served = on_own_bao()
    ada = sdk("ada", served)
    ada.push(folder({"a": b"a"}), name)
    ada.pull(name, tmp_path / "out")
    engine = sqlalchemy.create_engine(f"sqlite:///{served.folder / 'gateway.db'}")
    with closing(engine.raw_connection()) as rows:
        wrapped = list(rows.execute("SELECT resource_id, wrapped FROM wrapped_keys"))
    engine.dispose()
    assert len(wrapped) >= 2  # the dataset's, and the links'
    for resource_id, text in wrapped:
        opened = own_bao.operator.write(f"transit/decrypt/gateway-{resource_id}", ciphertext=text)
        key = base64.b64decode(opened["data"]["plaintext"])
        forms = (key, key.hex().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key).rstrip(b"="))
        for file in served.folder.rglob("*"):
            content = file.read_bytes() if file.is_file() else b""
            assert not any(form in content for form in forms), file
