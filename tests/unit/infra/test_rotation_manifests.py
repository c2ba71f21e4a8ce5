"""The CronJob and the timer run what there is, and may do no more than they must."""

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest
import typer
import yaml

from gateway.cli.exit_codes import exit_code
from gateway.cli.lazy import COMMANDS, load
from gateway.cli.rotate_secrets import WAITING
from gateway.errors import RotationHeld, SecretStillGood

INFRA = Path(__file__).parents[3] / "infra"


@pytest.fixture
def service():
    parser = RawConfigParser(strict=False, comment_prefixes=("#",))
    parser.optionxform = str
    parser.read(INFRA / "systemd" / "gateway-rotate-secrets.service")
    return parser["Service"]


@pytest.fixture
def job():
    documents = yaml.safe_load_all((INFRA / "kubernetes" / "rotate-secrets.yaml").read_text())
    (found,) = (one for one in documents if one["kind"] == "CronJob")
    return found["spec"]


def options(command):
    named = load(command, COMMANDS[command][0])
    assert isinstance(named, typer.core.TyperCommand)
    return {option for parameter in named.params for option in parameter.opts}


def test_both_run_the_command_with_options_that_it_has(service, job):
    (container,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    for command, *words in (service["ExecStart"].split()[1:], container["args"]):
        assert command == "rotate-secrets"
        assert {word for word in words if word.startswith("--")} <= options(command)


def test_the_codes_that_a_scheduler_acts_on_are_the_commands(service, job):
    held, alarm = (exit_code(kind.__new__(kind)) for kind in (RotationHeld, SecretStillGood))
    assert service["SuccessExitStatus"].split() == [str(WAITING), str(held)]
    (rule,) = job["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [alarm]


def test_the_service_may_write_secrets_and_its_journal_and_nothing_else(service):
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"].split() == ["/etc/gateway/secrets", "/var/lib/gateway/audit"]
    assert (service["NoNewPrivileges"], service["CapabilityBoundingSet"], service["LimitCORE"]) == ("yes", "", "0")


def test_the_pod_has_no_rights_in_the_cluster_and_no_writable_root(job):
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (pod["automountServiceAccountToken"], pod["securityContext"]["runAsNonRoot"]) == (False, True)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert job["concurrencyPolicy"] == "Forbid"


def test_no_manifest_holds_a_secret():
    for file in (INFRA / "systemd", INFRA / "kubernetes"):
        for one in file.iterdir():
            assert not re.search(r"(?i)\b(hvs\.|eyJ|AKIA[0-9A-Z]{8})", one.read_text()), one
