import asyncio
from dataclasses import replace

import pytest

from gateway.errors import StateUnavailable
from gateway.model import ResourceName
from gateway.state import recent
from gateway.state.catalog import SqlCatalog
from gateway.state.recent import RecentCatalog

pytestmark = pytest.mark.anyio

SECONDS = recent.KEPT_FOR.total_seconds()


@pytest.fixture
def ticks():
    return [0.0]


@pytest.fixture
def reads(monkeypatch):
    """How often the rows of a resource's name were read."""
    seen = []
    read = SqlCatalog.find_resource

    async def counted(self, name):
        seen.append(name)
        return await read(self, name)

    monkeypatch.setattr(SqlCatalog, "find_resource", counted)
    return seen


@pytest.fixture
def catalog(database, ticks):
    return RecentCatalog(database, monotonic=lambda: ticks[0])


@pytest.fixture
def elsewhere(database):
    """Another instance on the same database."""
    return SqlCatalog(database)


async def publish(catalog, resource, new_push, new_version, digit):
    push = new_push(resource, digit)
    await catalog.open_push(push)
    return await catalog.commit_push(push, new_version(resource, digit), ["latest"])


async def test_a_failure_is_not_remembered(catalog, resource, reads, monkeypatch):
    async def away(_self, _name):
        raise StateUnavailable("The database is away.")

    with monkeypatch.context() as patched:
        patched.setattr(SqlCatalog, "find_resource", away)
        with pytest.raises(StateUnavailable):
            await catalog.find_resource(resource.name)
    assert await catalog.find_resource(resource.name) == resource


async def test_one_who_goes_away_does_not_take_the_answer_from_others(catalog, resource):
    first, second = (asyncio.create_task(catalog.find_resource(resource.name)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == resource


async def test_many_who_ask_at_once_read_once(catalog, resource, reads):
    assert set(await asyncio.gather(*(catalog.find_resource(resource.name) for _ in range(50)))) == {resource}
    assert len(reads) == 1


async def test_a_moved_tag_is_seen_at_once_by_who_moved_it(catalog, resource, new_push, new_version):
    await publish(catalog, resource, new_push, new_version, "a")
    assert await catalog.tags(resource) == {"latest": 1}
    await publish(catalog, resource, new_push, new_version, "b")
    assert await catalog.tags(resource) == {"latest": 2}
    await catalog.set_tag(resource, "latest", 1)
    assert await catalog.tags(resource) == {"latest": 1}


async def test_a_read_under_way_during_a_write_is_kept_for_nobody_new(catalog, resource):
    name = ResourceName.parse("dataset/vision/letters")
    asked = asyncio.create_task(catalog.find_resource(name))
    made = await catalog.create_resource(replace(resource, id="1" * 32, name=name))
    assert await asked in (None, made)
    assert await catalog.find_resource(name) == made


async def test_a_label_that_is_put_counts_at_once(catalog, resource):
    await catalog.find_resource(resource.name)
    await catalog.change_resource_tags(resource, put={"sensitivity": "high"}, remove=[])
    assert (await catalog.find_resource(resource.name)).tags == {"sensitivity": "high"}


async def test_what_another_instance_wrote_is_seen_after_a_second(
    catalog, elsewhere, resource, new_push, new_version, ticks
):
    await publish(elsewhere, resource, new_push, new_version, "a")
    assert await catalog.tags(resource) == {"latest": 1}
    await publish(elsewhere, resource, new_push, new_version, "b")
    ticks[0] += SECONDS
    assert await catalog.tags(resource) == {"latest": 2}
    assert (await catalog.find_version(resource, number=2)).number == 2


async def test_names_that_callers_make_up_do_not_fill_the_memory(catalog, resource, reads, monkeypatch):
    monkeypatch.setattr(recent, "CAPACITY", 2)
    for name in ("dataset/a/a", "dataset/a/b", "dataset/a/c", "dataset/a/a"):
        assert await catalog.find_resource(ResourceName.parse(name)) is None
    assert len(reads) == 4
