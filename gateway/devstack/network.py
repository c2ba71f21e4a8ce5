"""Ports on loopback for the embedded parts: chosen free, and refused by number where taken."""

import random
import socket

from gateway.errors import PortInUse

LOOPBACK = "127.0.0.1"
GRPC_OFFSET = 10_000
"""SeaweedFS listens for gRPC this far above each HTTP port, so each port is chosen with its pair."""
_CANDIDATES = range(20_000, 22_767)
"""Neither these nor their pairs lie in Linux's default range of ephemeral ports (32768 to 60999)."""


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that are free at this moment, as are their pairs."""
    found: list[int] = []
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if len(found) == count:
            return found
        if is_free(port) and is_free(port + GRPC_OFFSET):
            found.append(port)
    raise PortInUse(f"No {count} free ports are left between {_CANDIDATES.start} and {_CANDIDATES.stop}.")


def is_free(port: int) -> bool:
    """Tell whether nothing listens on this port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that connections of an earlier run that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(port: int, *, purpose: str, hint: str) -> None:
    """Raise `PortInUse`, naming the port and its purpose, unless the port is free."""
    if not is_free(port):
        raise PortInUse(f"Port {port} of {LOOPBACK}, meant for {purpose}, is in use by another process.", hint=hint)
