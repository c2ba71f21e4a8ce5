"""One link over HTTP: authenticated, decided, recorded durably. Beside a bare route, and what a team writes first."""

import http.client
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx
from harness import Row, side_by_side
from rig.load import Call, Loaded, under_load
from rig.stage import Stage, on_stage, serving

RESOURCE = "dataset/vision/bench"
SMALL, BIG = "small.bin", "big.bin"
BIG_BYTES = 256 << 20
RANGE_BYTES = 4096
RANGE_START = 100 << 20
ROUNDS = 5
SECONDS = 2.0


def run() -> Iterable[Row]:
    """Compare on real parts, one worker each, in turn."""
    with on_stage() as stage:
        publish(stage, {SMALL: 1000, BIG: BIG_BYTES})
        with serving(stage.folder, "bare.py") as bare, serving(stage.folder, "naive.py", _naive(stage)) as naive:
            link = link_call(stage)
            route = Call(f"{bare}/")
            yield _rate("one link, 50 clients", link, route, "a bare FastAPI route", aim=0.6)
            yield _rate("one link, 50 clients", link, _naive_link(stage, naive), "FastAPI, JWT, boto3, rules", aim=3)
            yield _late("p99 of one link, 500 clients", link, route, "a bare FastAPI route", aim=1 / 3)
        yield from _streams(stage)


def publish(stage: Stage, sizes: Mapping[str, int]) -> None:
    """Publish files of random bytes, as the bench's dataset."""
    source = stage.folder / "source"
    source.mkdir()
    for name, size in sizes.items():
        (source / name).write_bytes(os.urandom(size))
    with stage.gateway() as gateway:
        gateway.push(source, RESOURCE)


def link_call(stage: Stage) -> Call:
    """Return the request for one link."""
    headers = {"authorization": f"Bearer {stage.token}", "content-type": "application/json"}
    return Call(f"{stage.url}/v1/{RESOURCE}/versions/latest/links", "POST", headers, json.dumps({"paths": [SMALL]}))


def _naive(stage: Stage) -> Path:
    storage = stage.storage
    file = stage.folder / "naive.json"
    file.write_text(
        json.dumps(
            {
                "jwks": httpx.get(f"{stage.url}/.well-known/jwks.json").json(),
                "audience": stage.url,
                "endpoint": storage.endpoint,
                "region": storage.region,
                "bucket": storage.bucket,
                "access_key_id_file": str(storage.access_key_id_file),
                "secret_access_key_file": str(storage.secret_access_key_file),
                "files": {SMALL: f"r/{'ab' * 16}/o/{'cd' * 16}/0"},
            }
        )
    )
    return file


def _naive_link(stage: Stage, url: str) -> Call:
    headers = {"authorization": f"Bearer {stage.token}", "content-type": "application/json"}
    return Call(f"{url}/{RESOURCE}/links", "POST", headers, json.dumps({"paths": [SMALL]}))


@dataclass(frozen=True, slots=True)
class _Sides:
    ours: list[Loaded]
    baseline: list[Loaded]


def _in_turn(ours: Call, baseline: Call, clients: int) -> _Sides:
    seconds = SECONDS + clients / 100  # many clients take a while to be answered at all
    sides = _Sides([], [])
    for _ in range(ROUNDS):
        for call, seen in ((baseline, sides.baseline), (ours, sides.ours)):
            loaded = under_load(call, clients=clients, seconds=seconds)
            if loaded.errors or not loaded.answers:
                raise RuntimeError(
                    f"{loaded.errors} errors and {loaded.answers} answers from {urlsplit(call.url).path}"
                )
            seen.append(loaded)
    return sides


def _rate(case: str, ours: Call, baseline: Call, name: str, *, aim: float) -> Row:
    sides = _in_turn(ours, baseline, 50)
    value, other = (median(loaded.rate for loaded in side) for side in (sides.ours, sides.baseline))
    return Row("links", case, value, "requests/s", name, other, value / other, aim, value / other >= aim)


def _late(case: str, ours: Call, baseline: Call, name: str, *, aim: float) -> Row:
    sides = _in_turn(ours, baseline, 500)
    value, other = (1000 * median(loaded.p99 for loaded in side) for side in (sides.ours, sides.baseline))
    return Row("links", case, value, "ms", name, other, other / value, aim, other / value >= aim)


def _streams(stage: Stage) -> Iterable[Row]:
    """Compare a stream link with S3's own answer for the same number of bytes, by the same client."""
    with stage.gateway() as gateway:
        stream = gateway.link(f"{RESOURCE}@v1/{BIG}", ttl_seconds=3600).url
        direct = gateway.links(f"{RESOURCE}@v1", [BIG], ttl_seconds=3600)[0].url
    whole = side_by_side(lambda: _read(stream), lambda: _read(direct), rounds=ROUNDS)
    yield Row.rate(
        "links", "stream 256 MiB, decrypted", whole, BIG_BYTES / 1e6, "MB/s", baseline="S3, ciphertext", aim=0.7
    )
    part = {"range": f"bytes={RANGE_START}-{RANGE_START + RANGE_BYTES - 1}"}
    some = side_by_side(
        lambda: [_read(stream, part) for _ in range(20)], lambda: [_read(direct, part) for _ in range(20)], ROUNDS
    )
    yield Row.rate("links", "stream 4 KiB of 256 MiB", some, 20, "requests/s", baseline="S3, ciphertext", aim=0.5)


def _read(url: str, headers: dict[str, str] | None = None) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=headers or {})
        answer = connection.getresponse()
        if answer.status not in {200, 206}:
            raise RuntimeError(f"{answer.status} from {parts.netloc}")
        buffer = bytearray(1 << 20)
        while answer.readinto(buffer):
            pass
    finally:
        connection.close()
