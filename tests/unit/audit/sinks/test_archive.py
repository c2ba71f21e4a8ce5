import hashlib
from datetime import timedelta

import duckdb
import pytest

from gateway.audit.chain import verify
from gateway.audit.copies import LocalCopies
from gateway.audit.event import decided
from gateway.audit.parquet import list_archive
from gateway.audit.sinks import archive as module
from gateway.audit.sinks.archive import ArchiveTarget
from gateway.audit.sinks.target import batch_of
from gateway.errors import SinkUnavailable, StorageUnavailable
from gateway.storage.memory import MemoryObjectStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def objects():
    return MemoryObjectStore()


async def test_a_bucket_that_is_away_is_written_to_later(journal, delivery_to, settle, objects, monkeypatch):
    put, failures = objects.put, [StorageUnavailable("S3 failed.")] * 3

    async def failing(key, body):
        if failures:
            raise failures.pop()
        await put(key, body)

    monkeypatch.setattr(objects, "put", failing)
    await settle(delivery_to(ArchiveTarget(objects)))
    assert [(file.first, file.last) for file in await list_archive(objects, ["gateway-1"])] == [(1, 4), (5, 8), (9, 11)]


async def test_no_room_for_a_file_is_unavailable(journal, objects, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_parquet", full)
    with pytest.raises(SinkUnavailable, match="No space left"):
        await ArchiveTarget(objects).send(batch_of("gateway-1", await journal.lines(after=0, limit=2)))


async def test_the_archive_verifies_as_the_journal_does(journal, delivery_to, settle, objects, tmp_path):
    target = ArchiveTarget(objects)
    await settle(delivery_to(target))
    await target.close()
    paths = await LocalCopies(objects, tmp_path / "copies").fetch(await list_archive(objects, ["gateway-1"]))
    rows = duckdb.execute("SELECT line FROM read_parquet($1) ORDER BY seq", [list(map(str, paths))]).fetchall()
    lines = [line.encode() + b"\n" for (line,) in rows]
    assert lines == await journal.lines(after=0, limit=100)
    assert verify(lines).count == 11


async def test_columns_say_what_the_events_say(journal, delivery_to, settle, objects, tmp_path, uids):
    await settle(delivery_to(ArchiveTarget(objects)))
    paths = await LocalCopies(objects, tmp_path / "copies").fetch(await list_archive(objects, ["gateway-1"]))
    row = duckdb.execute(
        "SELECT instance, uid, who, issuer, action, resource, name, decision, statements, origin"
        " FROM read_parquet($1) WHERE seq = 2",
        [list(map(str, paths))],
    ).fetchone()
    assert row == (
        "gateway-1",
        uids[1],
        "ada",
        "people",
        "gateway:ReadFile",
        "dataset/vision/digits/latest/train.csv",
        "dataset/vision/digits",
        "Allowed",
        "vision#ReadTrain vision#ReadAll",
        "192.0.2.7",
    )


async def test_a_batch_over_midnight_is_two_files(seal_all, reading, allow, origin, noon, objects):
    times = [noon, noon + timedelta(hours=13), noon]
    events = [decided(reading, allow, **(origin | {"at": at})) for at in times]
    await ArchiveTarget(objects).send(batch_of("gateway-1", seal_all([*events, {"no": "time"}])))
    assert [(f"{file.day}", file.first, file.last) for file in await list_archive(objects, ["gateway-1"])] == [
        ("1970-01-01", 1, 4),
        ("2026-03-01", 1, 4),
        ("2026-03-02", 1, 4),
    ]


async def test_sending_again_writes_the_same_objects(journal, objects):
    batch = batch_of("gateway-1", await journal.lines(after=0, limit=4))
    target = ArchiveTarget(objects)
    await target.send(batch)
    once = {
        file.key: hashlib.sha256(await objects.get(file.key)).digest()
        for file in await list_archive(objects, ["gateway-1"])
    }
    await target.send(batch)
    assert once.keys() == {file.key for file in await list_archive(objects, ["gateway-1"])}
