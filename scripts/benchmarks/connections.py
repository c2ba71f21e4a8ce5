"""Ten thousand idle connections, and then five hundred busy clients beside them: no error, and so much memory each."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from harness import Row
from links import SMALL, link_call, publish
from rig.load import under_load
from rig.stage import Stage, on_stage

IDLE, BUSY = 10_000, 500
SECONDS = 10.0
MOST_KB = 50.0
"""Memory that an idle connection may take in the server."""


@dataclass(slots=True)
class Held:
    """How many connections were held, once they were asked."""

    answered: int = 0


def run() -> Iterable[Row]:
    """Hold them, load the server, and ask on each at the end."""
    with on_stage() as stage:
        publish(stage, {SMALL: 1000})
        server = psutil.Process(stage.development.gateway.pid)
        alone = under_load(link_call(stage), clients=BUSY, seconds=SECONDS)
        before = server.memory_info().rss
        with holding(stage) as held:
            each = (server.memory_info().rss - before) / IDLE / 1000
            beside = under_load(link_call(stage), clients=BUSY, seconds=SECONDS)
    failed = alone.errors + beside.errors + IDLE - held.answered
    case = f"{IDLE:,} idle connections"
    yield Row(
        "connections", f"{case}, memory of one", each, "kB", "at most", MOST_KB, MOST_KB / each, 1, each < MOST_KB
    )
    ratio = beside.rate / alone.rate
    yield Row("connections", f"{case}, {BUSY} busy", beside.rate, "links/s", "none idle", alone.rate, ratio, None, None)
    yield Row("connections", f"{case}, errors", failed, "errors", "at most", 0, float(not failed), 1, not failed)


@contextmanager
def holding(stage: Stage) -> Iterator[Held]:
    """Hold the idle connections from a process of their own."""
    parts, held = urlsplit(stage.url), Held()
    script = Path(__file__).parent / "rig" / "hold.py"
    command = [sys.executable, str(script), str(parts.hostname), str(parts.port), str(IDLE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        if not holder.stdout or holder.stdout.readline() != "held\n":
            raise RuntimeError(f"{IDLE:,} connections could not be opened: see 'ulimit -n'.")
        yield held
        held.answered = int(holder.communicate()[0])
