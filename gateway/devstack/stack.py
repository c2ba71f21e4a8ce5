"""The embedded stack: OpenBao and SeaweedFS, started together, set up, described, and stopped together."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from gateway.devstack import people, programs
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import free_ports, require_free
from gateway.devstack.openbao import OpenBao
from gateway.devstack.process import Process
from gateway.devstack.seaweedfs import REGION, ROLES, SeaweedFS
from gateway.devstack.vault_api import VaultApi
from gateway.errors import ProcessFailed

BUCKET = "gateway-data"


class Person(BaseModel):
    """Someone who can log in."""

    model_config = ConfigDict(frozen=True)

    name: str
    groups: tuple[str, ...]
    password_file: Path


class Description(BaseModel):
    """Where the running parts are and which files hold their secrets. Holds none itself, so it may be printed."""

    model_config = ConfigDict(frozen=True)

    state: Path
    vault: str
    s3: str
    bucket: str
    region: str
    issuer: str
    client_id: str
    jobs_issuer: str
    jobs_audience: str
    users: tuple[Person, ...]
    workload_token_file: Path
    root_token_file: Path
    role_id_file: Path
    secret_id_file: Path
    access_key_id_file: Path
    secret_access_key_file: Path


class _Ports(BaseModel):
    """The stack's ports, kept so that addresses, and with them issuers, stay the same from run to run."""

    vault: int
    vault_cluster: int
    seaweedfs: tuple[int, ...]

    @classmethod
    def kept_in(cls, folder: StateFolder) -> Self:
        file = folder.path / "ports.json"
        if not file.exists():
            vault, cluster, *rest = free_ports(2 + len(ROLES))
            ports = cls(vault=vault, vault_cluster=cluster, seaweedfs=tuple(rest))
            file.write_text(ports.model_dump_json(), encoding="utf-8")
        return cls.model_validate_json(file.read_text(encoding="utf-8"))

    def require_free(self, folder: StateFolder) -> None:
        hint = f"Stop that process, or remove {folder.path / 'ports.json'} to have other ports chosen."
        for port in (self.vault, self.vault_cluster):
            require_free(port, purpose="OpenBao", hint=hint)
        for port in self.seaweedfs:
            require_free(port, purpose="SeaweedFS", hint=hint)


@dataclass(frozen=True, slots=True)
class Stack:
    """The running parts."""

    description: Description
    processes: tuple[Process, ...]
    operator: VaultApi
    """OpenBao, with the root token."""
    folder: StateFolder

    def check(self) -> None:
        """Raise `ProcessFailed`, naming it, if a part has ended."""
        for process in self.processes:
            process.check()

    def renew_workload_token(self) -> None:
        """Write the workload a fresh token, as an orchestrator does for its jobs."""
        self.folder.keep_secret("workload-token", people.workload_token(self.operator))


@contextmanager
def running(folder: StateFolder) -> Iterator[Stack]:
    """Start the stack in `folder`, new or resumed, and stop it at the end.

    Raises:
        PortInUse: a port that this folder's stack had before is taken.
        ProcessFailed: a part did not come up; the message ends with its log.
        LocalError: a part is not installed.
    """
    ports = _Ports.kept_in(folder)
    ports.require_free(folder)
    with ExitStack() as cleanup:
        bao = OpenBao.start(folder, port=ports.vault, cluster_port=ports.vault_cluster)
        cleanup.callback(bao.process.stop)
        weed = SeaweedFS.start(folder, ports=ports.seaweedfs, bucket=BUCKET)
        cleanup.callback(weed.stop)
        operator = bao.open()
        cleanup.callback(operator.close)
        prepare_vault(bao, folder)
        provider = people.set_up(operator, folder)
        weed.wait_ready(BUCKET)
        stack = Stack(_describe(folder, bao, weed, provider), (bao.process, weed.process), operator, folder)
        stack.renew_workload_token()
        yield stack


def prepare_vault(bao: OpenBao, folder: StateFolder) -> None:
    """Run the very script that an operator runs, `infra/vault/setup`.

    Raises:
        ProcessFailed: it failed; the message ends with what it said.
    """
    arguments = [] if folder.secret_file("vault-rotation-secret-id").exists() else [folder.subfolder("secrets")]
    done = subprocess.run(
        ["/bin/bash", programs.shipped("infra/vault/setup"), *arguments],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder.subfolder("openbao")),
            "VAULT_CLI": str(programs.bao()),
            "VAULT_ADDR": bao.address,
            "VAULT_TOKEN": bao.root_token_file.read_text(encoding="utf-8"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProcessFailed(f"infra/vault/setup ended with exit code {done.returncode}: {done.stderr.strip()[-1000:]}")


def _describe(folder: StateFolder, bao: OpenBao, weed: SeaweedFS, provider: people.Provider) -> Description:
    users = tuple(
        Person(name=name, groups=(group,), password_file=people.password_file(folder, name))
        for name, group in people.PEOPLE.items()
    )
    return Description(
        state=folder.path,
        vault=bao.address,
        s3=weed.endpoint,
        bucket=BUCKET,
        region=REGION,
        issuer=provider.issuer,
        client_id=provider.client_id,
        jobs_issuer=provider.jobs_issuer,
        jobs_audience=people.WORKLOAD_AUDIENCE,
        users=users,
        workload_token_file=folder.secret_file("workload-token"),
        root_token_file=bao.root_token_file,
        role_id_file=folder.secret_file("vault-role-id"),
        secret_id_file=folder.secret_file("vault-secret-id"),
        access_key_id_file=weed.access_key_id_file,
        secret_access_key_file=weed.secret_access_key_file,
    )
