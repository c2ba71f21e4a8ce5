"""The audit journal against the disk and the hash that it cannot do without."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from harness import Row, Seconds, side_by_side, timed
from rig.load import Call, under_load
from rig.stage import Stage, on_stage, serving

from gateway.audit.canonical import encode_event
from gateway.audit.chain import verify
from gateway.audit.checkpoint import Checkpoint
from gateway.audit.event import decided
from gateway.audit.evidence import verify_signed
from gateway.audit.journal import Journal
from gateway.audit.merkle import Frontier, leaf_hash
from gateway.audit.note import VerifierKey, add_signature
from gateway.audit.ocsf import Object, milliseconds
from gateway.audit.parquet import ArchivedFile
from gateway.audit.question import Question
from gateway.audit.record import Head, entry_of, genesis, seal
from gateway.audit.search import Archive, Sources, search
from gateway.audit.segments import read_lines
from gateway.audit.table import PARQUET, SORTED, connect, lines_to_parquet
from gateway.audit.writer import data_sync
from gateway.clock import utc_now
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind

EVENTS = 4_096
CALLERS = 512
"""Requests in flight at a time, each of which waits for its own event."""
GROUP = 128
"""Events of one request, where it is for many links."""

ARCHIVED = int(os.environ.get("GATEWAY_BENCH_ARCHIVED", "2000000"))
"""Events to search. Ten millions take a few minutes to make."""
FILE_EVENTS = 20_000
"""Events of one file, as the archive sink writes them."""
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 25
QUESTIONS = {
    "search, a principal's newest 100": Question(who="user-4711", limit=100),
    "search, all of one principal in 10,000": Question(who="user-4711", limit=1000),
    "search, a principal who did nothing": Question(who="user-none", limit=100),
    "search, the newest 100 from one address": Question(origin="192.0.2.7", limit=100),
}
ASKED_PER_SECOND = 5_000_000
"""Ten millions in two seconds."""

ADA = Principal("people", "5f2c", PrincipalKind.USER, "ada", frozenset({"ml-research"}), token_id="f00d")  # noqa: S106 -- its id
REQUEST = AccessRequest(ADA, "gateway:ReadFile", "dataset/vision/digits/v3/train/images.parquet")
ALLOW = Decision(Outcome.ALLOW, ("vision#ReadTrain",), "ab" * 32)

PRIVATE = Ed25519PrivateKey.generate()
KEY = VerifierKey("bench", PRIVATE.public_key().public_bytes_raw())

DISK = Path(__file__).parents[2]
"""The checkout's: a temporary folder may be in memory, where a sync costs nothing."""


def run() -> Iterable[Row]:
    """Compare appending, from the decision to the disk, and verifying."""
    with tempfile.TemporaryDirectory(dir=DISK, prefix=".bench-audit-") as folder:
        directory = Path(folder)
        line = encode_event(event())
        one_by_one = partial(write_and_sync, directory / "bare", line, EVENTS)
        together = partial(write_and_sync, directory / "bare", line * CALLERS, EVENTS // CALLERS)
        concurrent = side_by_side(partial(append, directory, CALLERS, 1), one_by_one, 3)
        yield row(f"append, {CALLERS} callers", concurrent, "fdatasync for each event", aim=3)
        concurrent = side_by_side(partial(append, directory, CALLERS, 1), together, 5)
        yield row(f"append, {CALLERS} callers", concurrent, f"fdatasync for {CALLERS} events")
        grouped = side_by_side(partial(append, directory, 4, GROUP), together, 5)
        yield row(f"append, 4 callers of {GROUP} events", grouped, f"fdatasync for {CALLERS} events")
        alone = side_by_side(partial(append, directory, 1, 1), one_by_one, 3)
        yield row("append, 1 caller", alone, "fdatasync for each event")
        journal = append(directory, CALLERS, 1)
        lines = list(read_lines(journal))
        checked = side_by_side(lambda: verify(read_lines(journal)), partial(hash_each, lines))
        yield row("verify", checked, "SHA-256 of each line", aim=0.25)
        signed = partial(verify_signed, notes=[], keys=[KEY], known=[sign(lines)])
        checked = side_by_side(lambda: signed(read_lines(journal)), partial(hash_each, lines))
        yield row("verify, with its tree and checkpoint", checked, "SHA-256 of each line", aim=0.2)
        yield from searching(directory)
    yield from serving_links()


def sign(lines: Iterable[bytes]) -> bytes:
    """Return a signed checkpoint over the lines."""
    tree = Frontier()
    tree.extend(leaf_hash(entry_of(line)) for line in lines)
    text = Checkpoint(KEY.name, tree.size, tree.root()).text
    return add_signature(text, KEY, PRIVATE.sign(text.encode())).encode()


def row(case: str, seconds: Seconds, baseline: str, aim: float | None = None) -> Row:
    """Return the row of a case in which each side treated all events."""
    return Row.rate("audit", case, seconds, EVENTS, "events/s", baseline=baseline, aim=aim)


def append(directory: Path, callers: int, group: int) -> Path:
    """Build all events and append them to a new journal, by callers who each wait for theirs; return its folder."""

    async def call(journal: Journal) -> None:
        for _ in range(EVENTS // callers // group):
            await journal.append_all([event() for _ in range(group)])

    async def all_call() -> None:
        async with Journal(fresh, instance="bench", clock=utc_now) as journal:
            await asyncio.gather(*(call(journal) for _ in range(callers)))

    fresh = Path(tempfile.mkdtemp(dir=directory))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(all_call())
    return fresh / "bench"


def event() -> Object:
    """Return what a decision on one link writes."""
    return decided(
        REQUEST, ALLOW, at=utc_now(), request_id="0123456789abcdef", source_ip="192.0.2.7", facts={"mode": "direct"}
    )


def write_and_sync(path: Path, data: bytes, times: int) -> None:
    """Do what no journal can do without, and nothing else."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for _ in range(times):
        os.write(file, data)
        data_sync(file)
    os.close(file)


def hash_each(lines: Iterable[bytes]) -> None:
    """Hash lines that are in memory already."""
    for line in lines:
        hashlib.sha256(line).digest()


def searching(directory: Path) -> Iterable[Row]:
    """Ask for one principal's events, of all that are archived, and see that memory does not grow with them."""
    sources = Sources(archive(directory, ARCHIVED))
    for case, asked in QUESTIONS.items():
        ask = partial(search, asked, sources)
        ask()
        yield searched(f"{case}, of {ARCHIVED:,} archived", median(timed(ask) for _ in range(5)))
    forget(directory.glob("events/*/*/*.parquet"))
    yield searched("search, the files not in memory yet", timed(ask))
    few, all_ = (memory(directory, share) for share in (4, 1))
    case, ratio = f"memory of a search in {ARCHIVED:,}", few / all_
    yield Row("audit", case, all_, "MB", "in a quarter of them", few, ratio, 0.7, ratio >= 0.7)


def searched(case: str, seconds: float) -> Row:
    """Return the row of a question over all that is archived."""
    aim = 1 if ARCHIVED >= 10_000_000 else None  # of fewer, what each question costs by itself is the larger part
    taken = Seconds(seconds, ARCHIVED / ASKED_PER_SECOND)
    return Row.rate("audit", case, taken, ARCHIVED, "events/s", baseline="10,000,000 in 2 s", aim=aim)


def archive(folder: Path, count: int) -> Archive:
    """Write files as the archive sink does, of events of ten thousand principals in some weeks.

    They are made from one real event's row by DuckDB, since to make each event would take far longer than to find it.
    """
    one = folder / "one.parquet"
    (folder / "line").write_bytes(seal(Head(0, genesis("bench", 0)), encode_event(event()))[0])
    lines_to_parquet("bench", str(folder / "line"), str(one))
    varied = f"""SELECT * REPLACE (n + 1 AS seq, md5(n::VARCHAR) AS uid,
        {milliseconds(FIRST_DAY)} + n * {DAYS * 86_400_000 // count} AS "time",
        'user-' || hash(n) % 10000 AS who, 'u' || hash(n) % 10000 AS subject, md5('r' || n) AS request,
        'dataset/vision/digits/v3/train/' || hash(n) % 100000 || '.parquet' AS resource,
        '192.0.2.' || n % 256 AS origin, line || md5(n::VARCHAR) || md5('h' || n) AS line)"""
    files = []
    with connect() as database:
        for start in range(0, count, FILE_EVENTS):
            day = FIRST_DAY.date() + timedelta(days=start * DAYS // count)
            files.append(ArchivedFile("bench", day, start + 1, start + FILE_EVENTS))
            path = folder / files[-1].key
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = f"{varied} FROM read_parquet('{one}') CROSS JOIN range({start}, {start + FILE_EVENTS}) AS r(n)"
            database.execute(f"COPY ({rows} {SORTED}) TO '{path}' ({PARQUET})")
    return Archive(files, lambda wanted: [folder / file.key for file in wanted])


def forget(files: Iterable[Path]) -> None:
    """Let the system forget what it holds of the files in memory."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory(folder: Path, share: int) -> float:
    """Return the MB that a process of its own holds at most while it looks through a part of the archive."""
    script = (
        "import sys; from pathlib import Path; from gateway.audit.parquet import list_local;"
        "from gateway.audit.question import Question; from gateway.audit.search import Archive, Sources, search;"
        "folder = Path(sys.argv[1]); files = list_local(folder); files = files[: len(files) // int(sys.argv[2])];"
        "archive = Archive(files, lambda wanted: [folder / file.key for file in wanted]);"
        "search(Question(who='user-4711', limit=1000), Sources(archive));"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", script, str(folder), str(share)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(found.stdout) / 1024


def serving_links() -> Iterable[Row]:
    """Ask the link route of two gateways in turn, which differ in their journal alone, and compare the rates."""
    with on_stage() as stage:
        files = stage.folder / "files"
        files.mkdir()
        (files / "a.bin").write_bytes(bytes(1000))
        with stage.gateway() as gateway:
            gateway.push(files, "dataset/vision/bench")
        config = stage.development.configuration_file
        with (
            serving(stage.folder, "forgetful.py", config, stage.folder / "durable", "durable") as durable,
            serving(stage.folder, "forgetful.py", config, stage.folder / "memory", "memory") as memory,
        ):
            calls = [link_call(stage, url) for url in (durable, memory)]
            loads = [[under_load(call, clients=50, seconds=2) for call in calls] for _ in range(6)][1:]
    if any(load.errors for both in loads for load in both):
        raise RuntimeError("the link route answered with an error")
    rate, other = (median(both[side].rate for both in loads) for side in (0, 1))
    case, baseline = "link route, 50 clients, journal on disk", "journal in memory"
    yield Row("audit", case, rate, "requests/s", baseline, other, rate / other, 0.9, rate / other >= 0.9)


def link_call(stage: Stage, url: str) -> Call:
    """Return the call that asks a gateway for one link."""
    headers = {"authorization": f"Bearer {stage.token}", "content-type": "application/json"}
    return Call(
        f"{url}/v1/dataset/vision/bench/versions/latest/links", "POST", headers, json.dumps({"paths": ["a.bin"]})
    )
