"""A migrated database. Every test that takes `database` runs on every kind that `database_url` lists."""

import shutil
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from sqlalchemy import delete

from gateway.model import Push, Resource, ResourceName, Version
from gateway.state.announcements import Announcements
from gateway.state.catalog import SqlCatalog
from gateway.state.engine import Database
from gateway.state.models import Base
from gateway.state.redis import connect
from gateway.state.schema import SchemaSupportRow, migrate

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/gateway.db"


@pytest.fixture
def postgresql_url(new_schema):
    return new_schema()


@pytest.fixture(params=["sqlite_url", "postgresql_url"])
def empty_url(request):
    """A database without tables."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
async def migrated_file(tmp_path_factory):
    """A file of SQLite with all tables, to be copied: migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("sqlite") / "gateway.db"
    made = Database(f"sqlite:///{file}")
    await migrate(made)
    await made.close()
    return file


@pytest.fixture(scope="session")
async def migrated_schema(postgresql, new_schema):
    """A schema of PostgreSQL with all tables, which each test empties."""
    url = new_schema()
    made = Database(url, password_file=postgresql.password_file)
    await migrate(made)
    await made.close()
    return url


@pytest.fixture
def copied_url(sqlite_url, migrated_file, tmp_path):
    shutil.copy(migrated_file, tmp_path / "gateway.db")
    return sqlite_url


@pytest.fixture(params=["copied_url", "migrated_schema"], ids=["sqlite", "postgresql"])
def database_url(request):
    """A database with all tables; empty once `database` has been opened."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def open_database(request):
    """Opens a database by its URL, as an instance does, password and all. Each is closed at the end."""
    made = []

    def open_it(url, **options):
        options.setdefault("timeout", timedelta(seconds=60))  # a busy machine is no failure
        if url.startswith("postgresql"):
            options.setdefault("password_file", request.getfixturevalue("postgresql").password_file)
        made.append(Database(url, **options))
        return made[-1]

    yield open_it
    for one in made:
        one.engine.dispose()


@pytest.fixture
async def redis_client(redis_server):
    """Makes clients of the test's Redis, as an instance does; password and all."""
    made = []

    def make():
        made.append(connect(redis_server.url, password_file=redis_server.password_file))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def announcing(redis_client):
    """Makes an instance that announces, for the time of a `with`."""
    return lambda: Announcements(redis_client())


@pytest.fixture
def until():
    """Waits until a condition holds."""

    async def wait(condition, *, within=15):
        with anyio.fail_after(within):
            while not condition():  # noqa: ASYNC110  what it asks is another process's
                await anyio.sleep(0.01)

    return wait


@pytest.fixture
async def database(open_database, database_url):
    opened = open_database(database_url)

    def empty(session):
        for table in reversed(Base.metadata.sorted_tables):
            if table.name != SchemaSupportRow.__tablename__:
                session.execute(delete(table))

    await opened.write(empty)
    return opened


@pytest.fixture
async def own_database(open_database, empty_url):
    """A database with all tables, which the test may change."""
    opened = open_database(empty_url)
    await migrate(opened)
    return opened


@pytest.fixture
def catalog(database):
    return SqlCatalog(database)


@pytest.fixture
def new_resource():
    def make(name, digit="0"):
        return Resource(digit * 32, ResourceName.parse(name), NOW, "ada", f"what {name} is")

    return make


@pytest.fixture
async def resource(catalog, new_resource):
    return await catalog.create_resource(new_resource("dataset/vision/digits"))


@pytest.fixture
def new_push():
    def make(resource, digit="a"):
        return Push(digit * 32, resource.id, "people", "ada", 1, NOW, NOW)

    return make


@pytest.fixture
async def push(catalog, resource, new_push):
    opened = new_push(resource)
    await catalog.open_push(opened)
    return opened


@pytest.fixture
def new_version():
    def make(resource, digit="1"):
        return Version(resource.name, 0, f"sha256:{digit * 64}", 3, 1 << 40, NOW, "ada", "first light")

    return make
