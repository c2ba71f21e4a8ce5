"""Removal and lineage of versions; refusals first."""

from datetime import timedelta

import pytest

from gateway.errors import Conflict, UnknownVersion
from gateway.model import Input, Output, ResourceName

pytestmark = pytest.mark.anyio


@pytest.fixture
def publish(catalog, resource, new_push, new_version):
    """Publishes versions, each with a digest of its own digit."""

    async def run(digit, *, to=resource, **more):
        push = new_push(to, digit)
        await catalog.open_push(push)
        return await catalog.commit_push(push, new_version(to, digit), ["latest"], **more)

    return run


async def test_a_version_that_is_not_there_cannot_be_removed_nor_removed_twice(catalog, resource, publish, now):
    await publish("1")
    for number in (2, 1, 1):
        if number == 2 or await catalog.find_version(resource, number=number) is None:
            with pytest.raises(UnknownVersion):
                await catalog.remove_version(resource, number, at=now, by="grace")
        else:
            await catalog.remove_version(resource, number, at=now, by="grace")


async def test_a_version_that_a_tag_names_stays(catalog, resource, publish, now):
    await publish("1")
    await catalog.set_tag(resource, "prod", 1)
    with pytest.raises(Conflict, match="'prod'"):
        await catalog.remove_version(resource, 1, at=now, by="grace")


async def test_a_removed_version_takes_no_tag_and_gives_no_files(catalog, resource, publish, now):
    await publish("1")
    await publish("2")
    await catalog.remove_version(resource, 1, at=now, by="grace")
    with pytest.raises(UnknownVersion):
        await catalog.set_tag(resource, "prod", 1)
    with pytest.raises(Conflict, match="@v1 was removed"):
        await publish("3", taken_from=[1, 2])
    assert (await publish("4", taken_from=[2])).number == 3


async def test_latest_moves_to_the_newest_left_and_goes_with_the_last(catalog, resource, publish, now):
    for digit in "123":
        await publish(digit)
    await catalog.remove_version(resource, 3, at=now, by="grace")
    assert await catalog.tags(resource) == {"latest": 2}
    await catalog.remove_version(resource, 1, at=now, by="grace")
    assert await catalog.tags(resource) == {"latest": 2}
    await catalog.remove_version(resource, 2, at=now, by="grace")
    assert await catalog.tags(resource) == {}
    assert await catalog.find_version(resource) is None
    assert (await publish("5")).number == 4


async def test_a_removed_version_is_listed_for_who_asks_from_before(catalog, resource, publish, now):
    for digit in "12":
        await publish(digit)
    removed = await catalog.remove_version(resource, 1, at=now, by="grace")
    assert removed.number == 1
    assert [v.number for v in await catalog.list_versions(resource)] == [2]
    before = now - timedelta(seconds=1)
    assert [v.number for v in await catalog.list_versions(resource, removed_since=before)] == [2, 1]
    assert [v.number for v in await catalog.list_versions(resource, removed_since=now)] == [2]


async def test_lineage_is_found_from_both_ends(catalog, resource, new_resource, publish, now):
    made = await catalog.create_resource(new_resource("model/vision/net", "2"))
    source = Input(resource.name, 1, f"sha256:{'1' * 64}")
    other = Input(ResourceName.parse("dataset/vision/gone"), 7, f"sha256:{'7' * 64}")
    await publish("1")
    await publish("2", to=made, inputs=[source, other, source])
    await publish("3", to=made, inputs=[source])
    await publish("4", to=made)
    assert await catalog.inputs(made) == {1: [source, other], 2: [source]}
    assert await catalog.inputs(resource) == {}
    assert await catalog.outputs(resource.name) == {1: [Output(made.name, 1), Output(made.name, 2)]}
    await catalog.remove_version(made, 1, at=now, by="grace")
    assert await catalog.outputs(resource.name) == {1: [Output(made.name, 2)]}


async def test_pushes_are_listed_open_or_not(catalog, resource, new_resource, new_push, publish):
    await publish("1")
    for digit in "23":
        await catalog.open_push(new_push(resource, digit))
    await catalog.close_push("3" * 32)
    other = await catalog.create_resource(new_resource("model/vision/net", "2"))
    await catalog.open_push(new_push(other, "4"))
    found = {push.id[0]: (push.committed_as, push.closed) for push in await catalog.list_pushes(resource)}
    assert found == {"1": (1, False), "2": (None, False), "3": (None, True)}
