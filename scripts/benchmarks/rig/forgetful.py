"""The gateway with its journal on the disk, or with one that keeps events in memory: the difference is what it costs.

python forgetful.py PORT SETTINGS FOLDER durable|memory
"""

import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from gateway import app, server
from gateway.audit.event import uid_of
from gateway.audit.journal import Journal

KEPT = 100_000


class InMemory(Journal):
    """Keeps the last events; encodes none, hashes none, and waits for no disk."""

    events: ClassVar[deque[Mapping[str, object]]] = deque(maxlen=KEPT)

    async def append_all(self, events: Sequence[Mapping[str, object]]) -> list[str]:
        """Return the events' uids."""
        self.events.extend(events)
        return [uid_of(event) for event in events]


def main(port: str, settings: str, folder: str, kind: str) -> None:
    """Serve."""
    os.environ |= {"GATEWAY_SERVER__PORT": port, "GATEWAY_AUDIT__DIRECTORY": folder, "GATEWAY_AUDIT__INSTANCE": kind}
    if kind == "memory":
        app.Journal = InMemory  # type: ignore[misc]  # the one part that differs
    server.run(Path(settings))


if __name__ == "__main__":
    main(*sys.argv[1:])
