import anyio
import pytest
from sqlalchemy import inspect, text

from gateway.errors import StateUnavailable
from gateway.state import schema
from gateway.state.catalog import SqlCatalog
from gateway.state.engine import Database
from gateway.state.models import Base

pytestmark = pytest.mark.anyio


async def test_a_database_without_tables_is_not_healthy(sqlite_url):
    database = Database(sqlite_url)
    with pytest.raises(StateUnavailable, match="not there"):
        await SqlCatalog(database).check()
    await database.close()


async def test_a_database_of_a_newer_gateway_is_refused_and_left_alone(own_database):
    database = own_database
    await database.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await database.write(lambda session: session.execute(text("UPDATE schema_support SET oldest = '9999'")))
    with pytest.raises(StateUnavailable, match="9999") as refused:
        await schema.migrate(database)
    assert "newer gateway" in refused.value.hint
    with pytest.raises(StateUnavailable, match="9999"):
        await SqlCatalog(database).check()


async def test_instances_that_start_together_migrate_once(open_database, empty_url):
    instances = [open_database(empty_url) for _ in range(4)]
    async with anyio.create_task_group() as group:
        for instance in instances:
            group.start_soon(schema.migrate, instance)
    tables = await instances[0].read(lambda session: set(inspect(session.connection()).get_table_names()))
    assert tables == {*Base.metadata.tables, "alembic_version"}
    for instance in instances:
        await SqlCatalog(instance).check()
        await instance.close()


async def test_a_failed_migration_leaves_nothing_behind(open_database, empty_url, monkeypatch):
    database = open_database(empty_url)

    def fail_after_the_tables(connection):
        Base.metadata.tables["resources"].create(connection)
        raise RuntimeError

    monkeypatch.setattr(schema, "_upgrade", fail_after_the_tables)
    with pytest.raises(RuntimeError):
        await schema.migrate(database)
    assert await database.read(lambda session: inspect(session.connection()).get_table_names()) == []
    await database.close()
