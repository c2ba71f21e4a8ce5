"""Kills a process that appends under load, and holds its journal against what it had acknowledged."""

import json
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.audit.chain import verify
from gateway.audit.record import parse
from gateway.audit.segments import read_lines

KILLS = 20

# Prints an event's uid once its append has returned. It dies with its parent: its standard input ends.
APPENDER = """
import asyncio, os, sys, threading
from pathlib import Path
from gateway.audit.event import journal_stopped
from gateway.audit.journal import Journal
from gateway.clock import utc_now

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()

async def work(journal):
    while True:
        uid = await journal.append(journal_stopped("load", at=utc_now()))
        os.write(1, uid.encode() + b"\\n")

async def main():
    async with Journal(Path(sys.argv[1]), instance="gateway-1", clock=utc_now, segment_bytes=200_000) as journal:
        os.write(1, b"open\\n")
        await asyncio.gather(*(work(journal) for _ in range(32)))

asyncio.run(main())
"""

# Appends until a limit on its files' size is met; the kernel then writes a part, and refuses the rest.
FILLER = """
import asyncio, json, resource, signal, sys
from pathlib import Path
from gateway.audit.event import journal_stopped
from gateway.audit.journal import Journal
from gateway.clock import utc_now
from gateway.errors import JournalUnavailable

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def attempt(journal):
    try:
        return await journal.append(journal_stopped("load", at=utc_now()))
    except JournalUnavailable:
        return None

async def main():
    async with Journal(Path(sys.argv[1]), instance="gateway-1", clock=utc_now) as journal:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        full = [await attempt(journal) for _ in range(60)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        after = [await attempt(journal) for _ in range(5)]
    print(json.dumps({"full": full, "after": after}))

asyncio.run(main())
"""


@pytest.fixture
def appender(tmp_path):
    """Start the appender on the journal, and give a function that kills it and returns what it acknowledged."""
    running = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        running.append(process)
        assert process.stdout.readline() == b"open\n"
        return process

    yield start
    for process in running:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def uids(directory: Path):
    lines = list(read_lines(directory / "gateway-1"))
    verify(lines, instance="gateway-1")
    return [parse(line).read_event()["metadata"]["uid"] for line in lines]


def test_whatever_was_acknowledged_before_a_kill_is_in_a_journal_that_verifies(appender, tmp_path):
    chance = random.Random(2)  # noqa: S311  # moments, not secrets
    acknowledged = []
    for _ in range(KILLS):
        process = appender()
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        said, _ = process.communicate()
        acknowledged += [line.decode() for line in said.split(b"\n")[:-1]]
    final = appender()  # recovers after the last kill
    final.kill()
    final.communicate()
    written = uids(tmp_path)
    assert len(acknowledged) > KILLS
    assert set(acknowledged) <= set(written)
    assert len(written) == len(set(written))


def test_a_disk_that_fills_up_refuses_and_loses_nothing(tmp_path):
    run = subprocess.run([sys.executable, "-c", FILLER, str(tmp_path)], capture_output=True, check=True, timeout=60)
    answer = json.loads(run.stdout)
    taken = [uid for uid in answer["full"] if uid]
    assert answer["full"] == taken + [None] * (60 - len(taken))
    assert 0 < len(taken) < 60
    assert all(answer["after"])
    assert uids(tmp_path)[1:-1] == taken + answer["after"]
