"""Gateways of neighbouring versions run on one database: the newer tables serve the older, or refuse it by name."""

import itertools
from contextlib import contextmanager
from datetime import UTC, datetime

import anyio
import pytest
from alembic import command
from sqlalchemy import JSON, Boolean, DateTime, Integer, MetaData, insert, select, text

from gateway.errors import StateUnavailable
from gateway.state import schema
from gateway.state.catalog import SqlCatalog
from gateway.state.models import Base
from gateway.state.schema import migrate

pytestmark = pytest.mark.anyio

MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{after}"
oldest_gateway = "{oldest}"


def upgrade():
    {upgrade}
"""
EXPAND = 'op.add_column("resources", sa.Column("licence", sa.Text(), server_default="", nullable=False))'
CONTRACT = 'op.drop_column("resources", "description")'
OURS = schema.newest_revision()
NEIGHBOURS = [
    (before, after)
    for before, after in itertools.pairwise(sorted(schema._revisions()))
    if schema._revisions()[after] <= before
]
"""Revisions side by side, less those of which the later says that no gateway from before works on its tables."""


@pytest.fixture
def newer(monkeypatch, tmp_path):
    """Makes this gateway a newer one for a while, by migrations: each a (revision, oldest gateway, change)."""

    @contextmanager
    def be_newer(*migrations):
        after = OURS
        for revision, oldest, upgrade in migrations:
            text_of_it = MIGRATION.format(revision=revision, after=after, oldest=oldest, upgrade=upgrade)
            (tmp_path / f"r{revision}_next.py").write_text(text_of_it)
            after = revision
        ours = schema._config

        def config():
            made = ours()
            folder = made.get_main_option("script_location")
            made.set_main_option("version_locations", f"{folder}/versions\n{tmp_path}")
            made.set_main_option("path_separator", "newline")
            return made

        with monkeypatch.context() as newer:
            newer.setattr(schema, "_config", config)
            schema._revisions.cache_clear()
            schema.newest_revision.cache_clear()
            yield
        schema._revisions.cache_clear()
        schema.newest_revision.cache_clear()

    return be_newer


async def test_a_gateway_whose_columns_are_gone_is_refused_by_name(own_database, newer):
    database = own_database
    with newer(("8000", OURS, EXPAND), ("9000", "8000", CONTRACT)):
        await migrate(database)
    for refused in (migrate(database), SqlCatalog(database).check()):
        with pytest.raises(StateUnavailable, match=f"9000, for gateways of 8000 and later; ours is {OURS}"):
            await refused


async def test_an_older_gateway_works_on_while_a_newer_one_changes_the_tables(
    open_database, empty_url, own_database, newer, new_resource
):
    database, starting = own_database, open_database(empty_url)
    old = SqlCatalog(database)
    digits = "0123456789abcdef"

    async def go_on():
        for digit in digits:
            await old.create_resource(new_resource(f"dataset/old/{digit}", digit))

    with newer(("9000", OURS, EXPAND)):
        async with anyio.create_task_group() as group:
            group.start_soon(go_on)
            group.start_soon(migrate, starting)
        new = SqlCatalog(starting)
        await new.check()
        listed = await new.list_resources(kind=None, namespace=None, after=None, limit=99)
        assert [resource.name.name for resource in listed] == list(digits)
        row = await starting.read(lambda session: session.execute(text("SELECT id, licence FROM resources")).first())
        assert row[1] == ""

    await old.check()  # it stays ready,
    await migrate(database)  # and may be restarted
    again = await old.create_resource(new_resource("dataset/old/again", "g"))
    assert await old.find_resource(again.name) == again


def value_for(column):
    """Return something that fits: the same for columns that refer to each other."""
    kind = column.type
    if isinstance(kind, JSON):
        return []
    if isinstance(kind, DateTime):
        return datetime(2030, 1, 1, tzinfo=UTC)
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Integer):
        return 1
    return "1" * min(getattr(kind, "length", None) or 8, 32)


@pytest.mark.parametrize(("before", "after"), NEIGHBOURS)
async def test_what_the_gateway_before_writes_fits_after_a_migration(open_database, empty_url, before, after):
    """A table's columns as they were are written to as the table is now."""
    database = open_database(empty_url)

    def upgrade(session, revision):
        config = schema._config()
        config.attributes["connection"] = session.connection()
        command.upgrade(config, revision)
        tables = MetaData()
        tables.reflect(session.connection())
        return tables

    old = await database.write(lambda session: upgrade(session, before))
    await database.write(lambda session: upgrade(session, after))

    def write_and_read(session):
        for table in old.sorted_tables:
            if table.name != "alembic_version":
                row = {column.name: value_for(column) for column in table.columns if column.server_default is None}
                session.execute(insert(table).values(row))
        return {name: len(session.execute(select(table)).all()) for name, table in old.tables.items()}

    assert set((await database.write(write_and_read)).values()) == {1}
    await database.write(lambda session: upgrade(session, "head"))
    for table in old.tables:
        if table in Base.metadata.tables:
            now = select(Base.metadata.tables[table])
            assert await database.read(lambda session, now=now: len(session.execute(now).all())) == 1
