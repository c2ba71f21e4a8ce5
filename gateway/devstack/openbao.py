"""OpenBao: a whole server with storage on disk, initialised at its first start and unsealed at each."""

from datetime import timedelta
from pathlib import Path

from gateway.devstack import programs
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import LOOPBACK
from gateway.devstack.process import Process, answers, status_of
from gateway.devstack.vault_api import VaultApi

_READY_WITHIN = timedelta(seconds=60)
_UNINITIALISED, _SEALED, _ACTIVE = 501, 503, 200
"""Status codes of `sys/health` (Vault's API documentation)."""

_CONFIGURATION = """\
storage "raft" {{
  path                   = "{data}"
  node_id                = "devstack"
  performance_multiplier = 1 # elects itself in one second, not in ten
}}
listener "tcp" {{
  address         = "{host}:{port}"
  cluster_address = "{host}:{cluster_port}"
  tls_disable     = true # loopback only
}}
api_addr     = "http://{host}:{port}"
cluster_addr = "http://{host}:{cluster_port}"
ui           = true
log_level    = "warn"
"""


class OpenBao:
    """A running OpenBao."""

    def __init__(self, process: Process, address: str, folder: StateFolder) -> None:
        self.process = process
        self.address = address
        self.root_token_file = folder.secret_file("vault-root-token")
        self._folder = folder

    @classmethod
    def start(cls, folder: StateFolder, *, port: int, cluster_port: int) -> "OpenBao":
        """Start the server; `open` makes it useful."""
        home = folder.subfolder("openbao")
        data = folder.subfolder("openbao/raft")
        configuration = home / "server.hcl"
        configuration.write_text(
            _CONFIGURATION.format(data=data, host=LOOPBACK, port=port, cluster_port=cluster_port), encoding="utf-8"
        )
        process = Process.start(
            "OpenBao",
            [programs.bao(), "server", f"-config={configuration}"],
            log=folder.log("openbao"),
            environment={"HOME": str(home), "PATH": ""},
            folder=home,
        )
        return cls(process, f"http://{LOOPBACK}:{port}", folder)

    def open(self) -> VaultApi:
        """Wait for the server, initialise it if it is new, unseal it, and return the operator's access.

        Raises:
            ProcessFailed: it did not come up.
            VaultUnavailable: it refused.
        """
        health = f"{self.address}/v1/sys/health"
        self.process.wait_ready(lambda: status_of(health) in {_UNINITIALISED, _SEALED, _ACTIVE}, within=_READY_WITHIN)
        anonymous = VaultApi(self.address)
        if answers(health, status=_UNINITIALISED):
            self._initialise(anonymous)
        anonymous.write("sys/unseal", key=_read(self._folder.secret_file("vault-unseal-key")))
        anonymous.close()
        self.process.wait_ready(lambda: answers(health), within=_READY_WITHIN)
        return VaultApi(self.address, token=_read(self.root_token_file))

    def _initialise(self, anonymous: VaultApi) -> None:
        answer = anonymous.write("sys/init", secret_shares=1, secret_threshold=1)
        self._folder.keep_secret("vault-unseal-key", answer["keys_base64"][0])
        self._folder.keep_secret("vault-root-token", answer["root_token"])


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")
