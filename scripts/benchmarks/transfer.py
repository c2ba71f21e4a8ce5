"""Pull and push, decrypting and verifying, beside s5cmd on the same number of plain bytes. Whole processes, warm."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

from harness import Row, side_by_side
from rig.stage import Stage, on_stage

ROUNDS = 3
SHARDS, SHARD_BYTES = 4, 256 << 20
FILES, FILE_BYTES = 2000, 10_000


def run() -> Iterable[Row]:
    """Compare on real parts, in turn."""
    with on_stage() as stage:
        shards = _make(stage.folder / "shards", SHARDS, SHARD_BYTES)
        megabytes = SHARDS * SHARD_BYTES / 1e6
        yield from _both(stage, shards, "4 x 256 MiB", megabytes, "MB/s", aims=(0.9, 0.8))
        files = _make(stage.folder / "files", FILES, FILE_BYTES)
        yield from _both(stage, files, "2,000 x 10 kB", FILES, "files/s", aims=(1.0, None))


def _make(folder: Path, files: int, size: int) -> Path:
    folder.mkdir()
    for n in range(files):
        (folder / f"{n:05}.bin").write_bytes(os.urandom(size))
    return folder


def _both(  # noqa: PLR0913  # a case's own figures
    stage: Stage, source: Path, case: str, amount: float, unit: str, *, aims: tuple[float | None, float | None]
) -> Iterable[Row]:
    numbers = count()
    bucket = f"s3://{stage.storage.bucket}/plain-{source.name}"

    def push() -> None:
        _gateway(stage, "push", str(source), f"dataset/vision/{source.name}-{next(numbers)}")

    def put() -> None:
        _s5cmd(stage, "cp", f"{source}/", f"{bucket}/")

    pushed = side_by_side(push, put, rounds=ROUNDS)

    def pull() -> None:
        _into(stage, lambda target: _gateway(stage, "pull", f"dataset/vision/{source.name}-0@v1", str(target)))

    def get() -> None:
        _into(stage, lambda target: _s5cmd(stage, "cp", f"{bucket}/*", f"{target}/"))

    pulled = side_by_side(pull, get, rounds=ROUNDS)
    yield Row.rate("transfer", f"pull {case}", pulled, amount, unit, baseline="s5cmd, plain bytes", aim=aims[0])
    yield Row.rate("transfer", f"push {case}", pushed, amount, unit, baseline="s5cmd, plain bytes", aim=aims[1])


def _into(stage: Stage, fetch: Callable[[Path], None]) -> None:
    target = stage.folder / "target"
    fetch(target)
    shutil.rmtree(target)


def _gateway(stage: Stage, *words: str) -> None:
    environment = os.environ | {"GATEWAY_URL": stage.url, "GATEWAY_TOKEN": stage.token}
    subprocess.run([sys.executable, "-m", "gateway", *words], env=environment, capture_output=True, check=True)


def _s5cmd(stage: Stage, *words: str) -> None:
    storage = stage.storage
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": storage.access_key_id_file.read_text().strip(),
        "AWS_SECRET_ACCESS_KEY": storage.secret_access_key_file.read_text().strip(),
        "AWS_REGION": storage.region,
    }
    command = [Path(sys.executable).with_name("s5cmd"), "--endpoint-url", storage.endpoint, *words]
    subprocess.run(command, env=environment, capture_output=True, check=True)
