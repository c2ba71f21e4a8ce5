import sqlite3
from contextlib import closing

import anyio
import pytest
from sqlalchemy import event, text

from gateway.errors import Conflict, InvalidConfiguration, StateUnavailable
from gateway.ports import WrappedKey
from gateway.state import engine
from gateway.state.engine import Database
from gateway.state.keys import SqlWrappedKeys
from gateway.state.models import WrappedKeyRow
from gateway.state.schema import migrate

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sqlite_database(sqlite_url):
    opened = Database(sqlite_url)
    await migrate(opened)
    yield opened
    await opened.close()


def select_one(session):
    return session.scalar(text("SELECT 1"))


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://host/name", "nosuch:///x", "postgresql+nosuchdriver://hunter2@host/name"]
)
def test_a_url_that_names_no_database_of_ours_is_refused_without_being_shown(url):
    with pytest.raises(InvalidConfiguration, match=r"state\.url") as refused:
        Database(url)
    assert "hunter2" not in refused.value.message + refused.value.hint


async def test_a_folder_that_is_not_there_is_named_as_the_cause(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/no/such/gateway.db")
    with pytest.raises(StateUnavailable, match="unable to open database file"):
        await database.read(select_one)
    await database.close()


async def test_a_file_that_is_no_database_is_named_as_the_cause(tmp_path):
    (tmp_path / "gateway.db").write_bytes(b"not a database" * 100)
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    with pytest.raises(StateUnavailable, match="not a database"):
        await database.read(select_one)
    await database.close()


async def test_a_full_disk_is_named_and_nothing_is_changed(sqlite_database, now):
    keys = SqlWrappedKeys(sqlite_database)
    await keys.add(WrappedKey("a", 1, "vault:v1:x", now))

    def limit_pages(connection, _record, _proxy):
        connection.execute("PRAGMA max_page_count = 1")  # SQLite's own way to have a full disk: it takes no page more

    event.listen(sqlite_database.engine, "checkout", limit_pages)
    with pytest.raises(StateUnavailable, match="disk is full") as full:
        await keys.add(WrappedKey("b", 1, "vault:v1:" + "x" * 100_000, now))
    assert "Free some space" in full.value.hint
    assert await keys.find("b", 1) is None
    assert await keys.find("a", 1)


async def test_a_database_locked_by_another_process_is_named(sqlite_database, tmp_path):
    def be_impatient(connection, _record, _proxy):
        connection.execute("PRAGMA busy_timeout = 10")

    event.listen(sqlite_database.engine, "checkout", be_impatient)
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailable, match="locked"):
            await sqlite_database.write(select_one)
        assert await sqlite_database.read(select_one) == 1


async def test_a_new_database_that_stays_locked_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "WAIT_MS", 100)
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateUnavailable, match="locked"):
            await database.read(select_one)
        other.execute("COMMIT")
    assert await database.read(select_one) == 1
    await database.close()


async def test_errors_show_no_parameters(database, now):
    row = WrappedKeyRow(resource_id="a", epoch=1, wrapped="vault:v1:hunter2", created_at=now)

    def add_and_break(session):
        session.add(row)
        session.flush()
        session.execute(text("SELECT * FROM no_such_table WHERE name = :name"), {"name": "hunter2"})

    with pytest.raises(StateUnavailable) as broken:
        await database.write(add_and_break)
    assert "hunter2" not in broken.value.message + str(broken.value.__cause__)


async def test_what_raises_changes_nothing(database, now):
    def add_and_raise(session):
        session.add(WrappedKeyRow(resource_id="a", epoch=1, wrapped="vault:v1:x", created_at=now))
        session.flush()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.write(add_and_raise)
    assert await SqlWrappedKeys(database).find("a", 1) is None


async def test_a_broken_constraint_is_a_conflict(database, now):
    def add(session):
        session.add(WrappedKeyRow(resource_id="a", epoch=1, wrapped="vault:v1:x", created_at=now))

    await database.write(add)
    with pytest.raises(Conflict):
        await database.write(add)


async def test_sqlite_commits_are_durable_and_its_references_hold(sqlite_url):
    database = Database(sqlite_url)
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    found = await database.read(lambda session: [session.scalar(text(f"PRAGMA {pragma}")) for pragma in pragmas])
    assert found == ["wal", 2, 1, 5000]  # 2 is FULL
    await database.close()


async def test_writers_wait_for_each_other(database, now):
    keys = SqlWrappedKeys(database)
    async with anyio.create_task_group() as group:
        for epoch in range(engine.THREADS * 3):
            group.start_soon(keys.add, WrappedKey("a", epoch, "vault:v1:x", now))
    assert len(await keys.all("a")) == engine.THREADS * 3
