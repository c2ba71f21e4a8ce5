"""The whole product on a laptop: the embedded stack with a gateway on it, kept up until somebody stops it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.devstack import configuration, programs
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import free_ports, require_free
from gateway.devstack.process import Process, answers
from gateway.devstack.stack import Stack, running

_READY_WITHIN = timedelta(seconds=60)
_RENEW_EVERY = timedelta(hours=6)
"""The workload's tokens live for 24 hours."""
_WATCH_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Development:
    """A running stack and the gateway on it."""

    stack: Stack
    gateway: Process
    url: str
    configuration_file: Path

    def watch(self, clock: Clock) -> None:
        """Keep everything up; returns only by an exception.

        Raises:
            ProcessFailed: a part ended by itself; the message names it.
        """
        renew_at = clock() + _RENEW_EVERY
        while True:
            self.stack.check()
            self.gateway.check()
            if clock() >= renew_at:
                self.stack.renew_workload_token()
                renew_at = clock() + _RENEW_EVERY
            time.sleep(_WATCH_SECONDS)

    def summary(self) -> dict[str, Any]:
        """Return what a person or a script needs to use it. Names files that hold secrets, and no secret."""
        stack = self.stack.description
        return {
            "ready": True,
            "url": self.url,
            "issuer": stack.issuer,
            "users": [user.model_dump(mode="json") for user in stack.users],
            "s3": stack.s3,
            "vault": stack.vault,
            "bucket": stack.bucket,
            "state": str(stack.state),
            "config": str(self.configuration_file),
            "workload_token_file": str(stack.workload_token_file),
        }


@contextmanager
def developing(path: Path, *, port: int, overlay: Path | None) -> Iterator[Development]:
    """Start the stack in `path` and a gateway on `port` (0: any free one), and stop both at the end.

    Raises:
        InvalidConfiguration: the overlay cannot be read.
        StateInUse: another run has the folder.
        PortInUse: a port is taken.
        ProcessFailed: a part did not come up; the message ends with its log.
    """
    more = configuration.load(overlay) if overlay else {}
    port = port or free_ports(1)[0]
    with StateFolder(path) as folder:
        require_free(port, purpose="the gateway", hint="Name another with --port; 0 takes any that is free.")
        with running(folder) as stack:
            settings = _settings(stack, more, port=port)
            file = folder.path / "gateway.toml"
            file.write_text(configuration.dump(settings), encoding="utf-8")
            gateway = start_gateway(file, log=folder.log("gateway"))
            try:
                server = settings["server"]
                ready = f"http://{server['host']}:{server['port']}/readyz"
                gateway.wait_ready(lambda: answers(ready), within=_READY_WITHIN)
                yield Development(stack, gateway, server["public_url"], file)
            finally:
                gateway.stop()


def _settings(stack: Stack, more: configuration.Tree, *, port: int) -> configuration.Tree:
    policies = programs.shipped("policies")
    base = configuration.for_stack(stack.description, folder=stack.folder.path, port=port, policies=policies)
    return configuration.merge(base, more)


def start_gateway(configuration_file: Path, *, log: Path) -> Process:
    """Start `gateway serve` on a configuration; it is ready when `/readyz` answers 200."""
    return Process.start(
        "The gateway",
        [programs.python(), "-m", "gateway", "serve", "--config", configuration_file],
        log=log,
        environment=None,  # GATEWAY_* variables count here as they do for `gateway serve`
        folder=Path.cwd(),
    )
