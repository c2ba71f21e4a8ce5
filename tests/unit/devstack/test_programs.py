import subprocess
import sysconfig

import pytest

from gateway.devstack import programs
from gateway.errors import LocalError


def test_a_missing_openbao_is_said_with_its_remedy(monkeypatch):
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LocalError, match="OpenBao is not installed") as refusal:
        programs.bao()
    assert refusal.value.hint == 'pip install "ml-data-gateway[dev]"'


def test_a_missing_seaweedfs_is_said_with_its_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(LocalError, match="SeaweedFS is not installed"):
        programs.weed()


@pytest.mark.parametrize(("program", "says"), [(programs.bao, b"OpenBao"), (programs.weed, b"version")])
def test_the_programs_are_the_real_ones(program, says):
    assert says in subprocess.run([program(), "version"], capture_output=True, check=True).stdout


def test_shipped_files_are_found():
    assert "transit/keys/gateway-*" in programs.shipped("infra/vault/gateway.hcl").read_text()


def test_files_in_a_wheel_come_first(monkeypatch, tmp_path):
    monkeypatch.setattr(programs, "_PACKAGE", tmp_path / "gateway")
    assert programs.shipped("policies") == tmp_path / "policies"
    (tmp_path / "gateway/shipped/policies").mkdir(parents=True)
    assert programs.shipped("policies") == tmp_path / "gateway/shipped/policies"
