"""Pull and push, decrypting and verifying, beside s5cmd on the same number of plain bytes. Whole processes, warm.

Rows of processor time and memory are of the clients alone: S3 works for both.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

import psutil
from catalog import watched
from harness import Row, Seconds, side_by_side
from rig.stage import Stage, on_stage

ROUNDS = 3
SHARDS, SHARD_BYTES = 4, 256 << 20
FILES, FILE_BYTES = 20_000, 10_000
MIB = 1 << 20


@dataclass
class Client:
    """Runs a program, and remembers what it took."""

    environment: Mapping[str, str]
    cpu_seconds: list[float] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)

    def run(self, *command: str | Path) -> None:
        """Run it to its end.

        Raises:
            CalledProcessError: it fails.
        """
        # Its memory is looked at from outside: what wait4 tells of it counts what this process had when it forked.
        with (
            subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL) as process,
            watched(psutil.Process(process.pid)) as seen,
        ):
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        self.cpu_seconds.append(used.ru_utime + used.ru_stime)
        self.memory_bytes.append(max(seen))


def run() -> Iterable[Row]:
    """Compare on real parts, in turn."""
    with on_stage() as stage:
        shards = _make(stage.folder / "shards", SHARDS, SHARD_BYTES)
        megabytes = SHARDS * SHARD_BYTES / 1e6
        yield from _both(stage, shards, "4 x 256 MiB", megabytes, "MB/s", aims=(0.9, 0.8))
        files = _make(stage.folder / "files", FILES, FILE_BYTES)
        yield from _both(stage, files, "20,000 x 10 kB", FILES, "files/s", aims=(1.0, 0.8))


def _make(folder: Path, files: int, size: int) -> Path:
    folder.mkdir()
    for n in range(files):
        (folder / f"{n:05}.bin").write_bytes(os.urandom(size))
    return folder


def _both(  # noqa: PLR0913  # a case's own figures
    stage: Stage, source: Path, case: str, amount: float, unit: str, *, aims: tuple[float, float]
) -> Iterable[Row]:
    numbers = count()
    bucket = f"s3://{stage.storage.bucket}/plain-{source.name}"

    def push(client: Client) -> None:
        client.run(*_GATEWAY, "push", source, f"dataset/vision/{source.name}-{next(numbers)}")

    def put(client: Client) -> None:
        client.run(*_s5cmd(stage), "cp", f"{source}/", f"{bucket}/")

    def pull(client: Client) -> None:
        target = f"dataset/vision/{source.name}-0@v1"
        _into(stage, lambda folder: client.run(*_GATEWAY, "pull", target, folder))

    def get(client: Client) -> None:
        _into(stage, lambda folder: client.run(*_s5cmd(stage), "cp", f"{bucket}/*", f"{folder}/"))

    yield from _compared(stage, f"push {case}", push, put, amount, unit, aim=aims[1])
    yield from _compared(stage, f"pull {case}", pull, get, amount, unit, aim=aims[0])


def _compared(  # noqa: PLR0913, PLR0917  # a case's own figures
    stage: Stage,
    case: str,
    ours: Callable[[Client], None],
    theirs: Callable[[Client], None],
    amount: float,
    unit: str,
    *,
    aim: float,
) -> Iterable[Row]:
    gateway = Client(os.environ | {"GATEWAY_URL": stage.url, "GATEWAY_TOKEN": stage.token})
    s5cmd = Client(os.environ | _credentials(stage))
    seconds = side_by_side(lambda: ours(gateway), lambda: theirs(s5cmd), rounds=ROUNDS)
    baseline = "s5cmd, plain bytes"
    yield Row.rate("transfer", case, seconds, amount, unit, baseline=baseline, aim=aim)
    cpu = Seconds(median(gateway.cpu_seconds), median(s5cmd.cpu_seconds))
    yield Row.rate("transfer", f"{case}, a processor second", cpu, amount, unit, baseline=baseline)
    memory, other = median(gateway.memory_bytes) / MIB, median(s5cmd.memory_bytes) / MIB
    yield Row("transfer", f"{case}, memory", memory, "MiB", baseline, other, other / memory, aim=None, met=None)


def _into(stage: Stage, fetch: Callable[[Path], None]) -> None:
    target = stage.folder / "target"
    fetch(target)
    shutil.rmtree(target)


_GATEWAY = (sys.executable, "-m", "gateway")


def _s5cmd(stage: Stage) -> tuple[str | Path, ...]:
    return Path(sys.executable).with_name("s5cmd"), "--log", "error", "--endpoint-url", stage.storage.endpoint


def _credentials(stage: Stage) -> dict[str, str]:
    storage = stage.storage
    return {
        "AWS_ACCESS_KEY_ID": storage.access_key_id_file.read_text().strip(),
        "AWS_SECRET_ACCESS_KEY": storage.secret_access_key_file.read_text().strip(),
        "AWS_REGION": storage.region,
    }
