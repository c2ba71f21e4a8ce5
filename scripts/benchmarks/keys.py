"""Rotating the keys of many datasets: at what pace, and whether a read fails meanwhile.

The database holds as many datasets as an organisation may have, and Vault is one in memory that answers at once: so the
figure is what the gateway itself costs. The same is done on a real OpenBao for fewer, whose pace bounds the whole.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from harness import Row, Seconds
from sqlalchemy import insert

from gateway.audit.journal import Journal
from gateway.broker.access import Caller, Guard, Origin
from gateway.broker.rotate import Rotate
from gateway.clock import utc_now
from gateway.devstack.folder import StateFolder
from gateway.devstack.stack import running
from gateway.keys.datakeys import DataKeys, kek_name
from gateway.keys.lifecycle import Lifecycle
from gateway.keys.vault import TransitVault
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind, ResourceName
from gateway.ports import Kek, KeyVault, NewDataKey
from gateway.settings import VaultSettings
from gateway.state.catalog import SqlCatalog
from gateway.state.engine import Database
from gateway.state.keys import SqlWrappedKeys
from gateway.state.models import ResourceRow, WrappedKeyRow
from gateway.state.schema import migrate

DATASETS = int(os.environ.get("BENCH_DATASETS", "10000"))
ON_VAULT = 300
PAGE = 100
WANTED = 28
"""Datasets a second: 100,000 in an hour."""
OLD = timedelta(days=90)


class MemoryVault:
    """A `KeyVault` that answers at once and hides nothing: each KEK is its versions' times."""

    def __init__(self) -> None:
        self.made_at: dict[str, dict[int, datetime]] = {}

    async def create_kek(self, kek: str) -> None:
        self.made_at.setdefault(kek, {1: utc_now() - 2 * OLD})

    async def new_data_key(self, kek: str) -> NewDataKey:
        key = os.urandom(32)
        return NewDataKey(key, f"vault:v{max(self.made_at[kek])}:{key.hex()}")

    async def unwrap(self, kek: str, wrapped: str) -> bytes:
        del kek
        return bytes.fromhex(wrapped.rpartition(":")[2])

    async def rewrap(self, kek: str, wrapped: str) -> str:
        return f"vault:v{max(self.made_at[kek])}:{wrapped.rpartition(':')[2]}"

    async def rotate_kek(self, kek: str) -> int:
        versions = self.made_at[kek]
        versions[len(versions) + 1] = utc_now()
        return len(versions)

    async def describe_kek(self, kek: str) -> Kek | None:
        made_at = self.made_at.get(kek)
        return Kek(len(made_at), 1, dict(made_at)) if made_at else None

    async def retire_kek(self, kek: str, *, before: int) -> None:
        raise NotImplementedError

    async def check(self) -> None:
        return


class Everybody:
    """A decision point that lets everybody do everything."""

    def decide(self, request: AccessRequest) -> Decision:
        del request
        return Decision(Outcome.ALLOW, ("bench#All",), "0" * 64)

    def decide_below(self, request: AccessRequest) -> Decision | None:
        return self.decide(request)


@dataclass(slots=True)
class Measured:
    """What a run came to."""

    seconds: float
    rotated: int
    reads: int = 0
    failed_reads: int = 0


def run() -> Iterator[Row]:
    """Rotate many keys in memory, then some on OpenBao."""
    with tempfile.TemporaryDirectory() as folder:
        memory = asyncio.run(_measure(Path(folder), MemoryVault(), DATASETS))
    yield _row(f"rotate {DATASETS:,} datasets' keys, Vault in memory", memory)
    with tempfile.TemporaryDirectory() as folder, StateFolder(Path(folder) / "stack") as state, running(state) as parts:
        stack = parts.description
        settings = VaultSettings(
            address=stack.vault, role_id_file=stack.role_id_file, secret_id_file=stack.secret_id_file
        )
        vault = TransitVault(settings, utc_now)
        real = asyncio.run(_measure(Path(folder), vault, ON_VAULT, older_than=timedelta(0)))
        vault.close()
    yield _row(f"rotate {ON_VAULT:,} datasets' keys, OpenBao", real)
    hours = timedelta(seconds=round(100_000 * real.seconds / real.rotated))
    print(f"keys: 100,000 datasets on this OpenBao would take {hours}", file=sys.stderr)


def _row(case: str, measured: Measured) -> Row:
    rate = measured.rotated / measured.seconds
    print(f"{case}: {measured.reads:,} reads meanwhile, {measured.failed_reads} failed", file=sys.stderr)
    row = Row.rate(
        "keys",
        case,
        Seconds(measured.seconds, measured.rotated / WANTED),
        measured.rotated,
        "datasets/s",
        baseline=f"wanted: {WANTED}/s, and no read fails",
        aim=1.0,
    )
    return replace(row, met=row.met and rate >= WANTED and not measured.failed_reads)


async def _measure(folder: Path, vault: KeyVault, count: int, *, older_than: timedelta = OLD) -> Measured:
    database = Database(f"sqlite:///{folder}/gateway.db")
    await migrate(database)
    store = SqlWrappedKeys(database)
    ids = [f"{number:032x}" for number in range(count)]
    await _fill(database, vault, ids)
    async with Journal(folder / "audit", instance="bench", clock=utc_now) as journal:
        lifecycle = Lifecycle(vault, store, utc_now)
        rotate = Rotate(Guard(Everybody(), journal, utc_now), SqlCatalog(database), lifecycle, utc_now)
        reading = asyncio.create_task(_read(vault, store, ids))
        began = time.perf_counter()
        rotated = await _rotate_all(rotate, older_than)
        seconds = time.perf_counter() - began
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    await database.close()
    return Measured(seconds, rotated, *READS)


async def _fill(database: Database, vault: KeyVault, ids: list[str]) -> None:
    places, now = asyncio.Semaphore(16), utc_now()

    async def make(resource_id: str) -> str:
        async with places:
            await vault.create_kek(kek_name(resource_id))
            return (await vault.new_data_key(kek_name(resource_id))).wrapped

    wrapped = await asyncio.gather(*map(make, ids))
    resources = [
        {
            "id": one,
            "kind": "dataset",
            "namespace": "bench",
            "name": one,
            "description": "",
            "created_at": now,
            "created_by": "bench",
            "tags": {},
        }
        for one in ids
    ]
    keys = [
        {"resource_id": one, "epoch": 1, "wrapped": text, "created_at": now}
        for one, text in zip(ids, wrapped, strict=True)
    ]
    await database.write(
        lambda session: (session.execute(insert(ResourceRow), resources), session.execute(insert(WrappedKeyRow), keys))
    )


async def _rotate_all(rotate: Rotate, older_than: timedelta) -> int:
    principal = Principal("bench", "1", PrincipalKind.USER, "bench")
    caller = Caller(principal, Origin("bench", "127.0.0.1", secure=True))
    after: ResourceName | None = None
    rotated = 0
    while True:
        done, after = await rotate.rotate_due(caller, after=after, limit=PAGE, older_than=older_than)
        rotated += sum(one.was_due for one in done)
        if after is None:
            return rotated


READS = [0, 0]
"""Of the run at hand: how many reads there were, and how many failed."""


async def _read(vault: KeyVault, store: SqlWrappedKeys, ids: list[str]) -> None:
    """Open one key after the other, as an instance that has none in memory does."""
    READS[:] = [0, 0]
    number = 0
    while True:
        number = (number + 7919) % len(ids)
        try:
            await DataKeys(vault, store, utc_now).data_key(ids[number], 1)
        except Exception:  # noqa: BLE001  # whatever it is, it is a read that failed
            READS[1] += 1
        READS[0] += 1
        await asyncio.sleep(0)
