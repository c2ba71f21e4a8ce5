"""Links by the million through `POST /v1/links:batch`: decided, signed, recorded, sent. By the server's own CPU time.

The version has 200,000 files and is asked for five times; the client only counts lines.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
import httpx
import psutil
from botocore.config import Config
from catalog import Versions, watched
from harness import Row
from rig.stage import Stage, on_stage

FILES, ROUNDS = 200_000, 5
BY_BOTO3 = 20_000
WANTED = 100_000
"""Links a second and core."""
GROWTH = 20.0
"""MB that the server may grow by over a million links."""


@dataclass(slots=True)
class Cpu:
    """Seconds of a core's time."""

    seconds: float = 0.0


def run() -> Iterable[Row]:
    """Compare with what we want, and with boto3 signing one after the other in this process."""
    with on_stage() as stage:
        Versions(stage, FILES).publish()
        server = psutil.Process(stage.development.gateway.pid)
        links(stage)  # keys are opened and pages read
        before = server.memory_info().rss
        with watched(server) as seen, cpu_of(server) as taken:
            count = sum(links(stage) for _ in range(ROUNDS))
        yield from rows(count / taken.seconds, boto3_rate(stage))
        grown = max(0.1, (max(seen) - before) / 1e6)
        case = f"memory that {count:,} links add"
        yield Row("batch", case, grown, "MB", "at most", GROWTH, GROWTH / grown, 1, grown <= GROWTH)


def rows(rate: float, theirs: float) -> Iterator[Row]:
    """Return the two rates."""
    yield Row("batch", "links, a core", rate, "links/s", "wanted", WANTED, rate / WANTED, 1, rate >= WANTED)
    yield Row("batch", "links, a core", rate, "links/s", "boto3", theirs, rate / theirs, 30, rate >= 30 * theirs)


def links(stage: Stage) -> int:
    """Ask for a link to each file, and return how many came."""
    body = {"resource": f"dataset/vision/bench-{FILES}", "version": "v1"}
    headers = {"authorization": f"Bearer {stage.token}"}
    with httpx.stream("POST", f"{stage.url}/v1/links:batch", json=body, headers=headers, timeout=600) as answer:
        answer.raise_for_status()
        lines, end = 0, b""
        for chunk in answer.iter_raw():
            lines += chunk.count(b"\n")
            end = (end + chunk)[-200:]
    if b'"next": null' not in end or lines != FILES + 2:  # the version before them, the count behind
        raise RuntimeError(f"{lines} lines came, and the last is not that of a whole answer.")
    return lines - 2


def boto3_rate(stage: Stage) -> float:
    """Return how many links boto3 signs in a second of a core."""
    storage = stage.storage
    client = boto3.client(
        "s3",
        endpoint_url=storage.endpoint,
        region_name=storage.region,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",  # noqa: S106 -- signs for nobody
        config=Config(signature_version="s3v4"),
    )
    with cpu_of(psutil.Process()) as taken:
        for n in range(BY_BOTO3):
            place = {"Bucket": storage.bucket, "Key": f"r/{'0a' * 16}/o/{'b1' * 16}/{n}"}
            client.generate_presigned_url("get_object", Params=place, ExpiresIn=300)
    return BY_BOTO3 / taken.seconds


@contextmanager
def cpu_of(process: psutil.Process) -> Iterator[Cpu]:
    """Give what a process takes of a core meanwhile, in all its threads."""
    taken, before = Cpu(), process.cpu_times()
    yield taken
    time.sleep(0.2)  # what it does behind the answer, like recording it, counts as well
    after = process.cpu_times()
    taken.seconds = after.user + after.system - before.user - before.system
