"""Versions of many files, on the real parts: committed, listed, looked up, changed a little, and in what memory.

Each row is beside its aim. Files share a thousand objects, since it is the catalog that is measured here. The pages are
counted in memory, where nothing is rounded to packs.
"""

import asyncio
import base64
import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from statistics import median
from typing import Any

import httpx
import psutil
from harness import Row, timed
from rig.stage import Stage, on_stage

from gateway.catalog import manifest
from gateway.catalog.builder import Built, build
from gateway.catalog.cache import PageCache, Pages
from gateway.envelope import seal
from gateway.model import FileEntry

SMALL, LARGE = 10_000, 1_000_000
CHANGED = 1000
OBJECTS = 1000
ROUNDS = 21
CONTENT = b"x" * 100


def run() -> Iterable[Row]:
    """Measure a small and a large version, through one worker's API."""
    with on_stage() as stage:
        for count in (SMALL, LARGE):
            yield from Versions(stage, count).rows()
    yield pages_added()


class Versions:
    """Two versions of one dataset: all files, and then the same with some of them changed."""

    def __init__(self, stage: Stage, count: int) -> None:
        self._files = f"{count:,} files"
        self._count = count
        self._server = psutil.Process(stage.development.gateway.pid)
        self._path = f"/v1/dataset/vision/bench-{count}"
        headers = {"authorization": f"Bearer {stage.token}"}
        self._http = httpx.Client(base_url=stage.url, headers=headers, timeout=600, trust_env=False)

    def rows(self) -> Iterator[Row]:
        """Do it all, in order."""
        changed = frozenset(random.Random(0).sample(range(self._count), CHANGED))  # noqa: S311 -- no secret
        with watched(self._server) as seen:
            yield below(f"commit of {self._files}", self._commit(lambda _: False), "s", 60)
            yield below(f"first page of {self._files}", 1000 * _median(self._first_page), "ms", 50)
            yield below(f"one path of {self._files}", 1000 * _median(self._one_path), "ms", 20)
            listed = min(timed(self._list_all) for _ in range(3))
            yield above(f"listing of {self._files}", self._count / listed, "files/s", 200_000)
            case = f"commit with {CHANGED:,} changed of {self._files}"
            yield below(case, self._commit(lambda i: i not in changed), "s", 60)
        yield below(f"memory of the server, {self._files}", max(seen) / 1e6, "MB", 300)

    def publish(self) -> None:
        """Publish the first version."""
        self._commit(lambda _: False)

    def _commit(self, is_kept: Callable[[int], bool]) -> float:
        push = f"{self._path}/pushes/{self._post(f'{self._path}/pushes', {})['push_id']}"
        reserved = self._post(f"{push}/objects", {"sizes": [len(CONTENT)] * OBJECTS})["objects"]
        for slot in reserved:
            key = _decode(slot["object_key"])
            link = slot["upload"]
            httpx.put(link["url"], headers=link["headers"], content=seal(key, CONTENT)).raise_for_status()
        lines = b"".join(_line(i, kept=is_kept(i)) for i in range(self._count))
        started = time.perf_counter()
        self._http.post(f"{push}/commit", content=lines).raise_for_status()
        return time.perf_counter() - started

    def _post(self, path: str, body: object) -> dict[str, Any]:
        found = self._http.post(path, json=body)
        found.raise_for_status()
        return dict(found.json())

    def _first_page(self) -> None:
        found = self._http.get(f"{self._path}/versions/v1/files", params={"limit": 1000})
        _require(len(found.json()["files"]) == min(1000, self._count))

    def _one_path(self) -> None:
        found = self._post(f"{self._path}/versions/v1/links", {"paths": [path_of(self._count // 3)]})
        _require(len(found["links"]) == 1)

    def _list_all(self) -> None:
        with self._http.stream("GET", f"{self._path}/versions/v1/files:stream") as found:
            end = b""
            for chunk in found.iter_raw():
                end = (end + chunk)[-100:]
        _require(json.loads(end.splitlines()[-1]) == {"files": self._count})


def pages_added() -> Row:
    """Return which part of the pages a small change adds, counted."""
    changed = frozenset(random.Random(0).sample(range(LARGE), CHANGED))  # noqa: S311 -- no secret

    async def work() -> tuple[Built, Built]:
        packs = PacksInMemory()
        first = await build(map(entry, range(LARGE)), packs, push_id="0a" * 16)
        known = await manifest.known_places([first.root], Pages(packs, PageCache()))
        files = (entry(i, "new" if i in changed else "") for i in range(LARGE))
        return first, await build(files, packs, push_id="0b" * 16, known=known)

    first, second = asyncio.run(work())
    share = 100 * second.pages_added / first.pages_added
    return below(f"pages added, of {first.pages_added:,}, by {CHANGED:,} changed of {LARGE:,}", share, "%", 3)


class PacksInMemory(dict[str, bytes]):
    """A pack store that forgets."""

    async def get(self, pack: str) -> bytes:  # type: ignore[override]  # it is a store's `get`
        """Return the pack."""
        return self[pack]

    async def put(self, pack: str, content: bytes) -> None:
        """Keep the pack."""
        self[pack] = content


def path_of(i: int) -> str:
    """Return the path of the file with this index."""
    return f"train/{i // 1000:04d}/{i:07d}.jpg"


def entry(i: int, content: str = "") -> FileEntry:
    """Return the file with this index."""
    digest = hashlib.sha256(f"{i} {content}".encode()).hexdigest()
    return FileEntry(path_of(i), i, digest, f"{'0f' * 16}/{i}", 1, digest[:32])


@contextmanager
def watched(process: psutil.Process) -> Iterator[list[int]]:
    """Give a list that fills with the resident bytes of a process."""
    seen = [process.memory_info().rss]
    over = threading.Event()

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):
            while not over.wait(0.1):
                seen.append(process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def below(case: str, value: float, unit: str, aim: float) -> Row:
    """Return a row of what shall be at most the aim."""
    return Row("catalog", case, value, unit, "at most", aim, aim / value, 1, value <= aim)


def above(case: str, value: float, unit: str, aim: float) -> Row:
    """Return a row of what shall be at least the aim."""
    return Row("catalog", case, value, unit, "at least", aim, value / aim, 1, value >= aim)


def _line(i: int, *, kept: bool) -> bytes:
    if kept:
        return json.dumps({"path": path_of(i), "from": {"version": 1, "path": path_of(i)}}).encode() + b"\n"
    digest = hashlib.sha256(f"{i}".encode()).hexdigest()
    file = {"path": path_of(i), "size": len(CONTENT), "sha256": digest, "object": i % OBJECTS}
    return json.dumps(file).encode() + b"\n"


def _median(work: Callable[[], None]) -> float:
    work()
    return median(timed(work) for _ in range(ROUNDS))


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _require(holds: bool) -> None:  # noqa: FBT001 -- a question's answer
    if not holds:
        raise RuntimeError("The gateway answered something else.")
