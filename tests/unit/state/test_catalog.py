from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from gateway.errors import Conflict, PushClosed, UnknownVersion, VersionExists
from gateway.model import ResourceKind, ResourceName

pytestmark = pytest.mark.anyio


async def at_once(*calls):
    """Run all calls concurrently and return what each returned or raised."""
    results = [None] * len(calls)

    async def run(at, call):
        try:
            results[at] = await call
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            results[at] = error

    async with anyio.create_task_group() as group:
        for at, call in enumerate(calls):
            group.start_soon(run, at, call)
    return results


async def commit_new(catalog, resource, new_push, new_version, digit):
    push = new_push(resource, digit)
    await catalog.open_push(push)
    return await catalog.commit_push(push, new_version(resource, digit), ["latest"])


class TestResources:
    async def test_an_unknown_name_is_none(self, catalog):
        assert await catalog.find_resource(ResourceName.parse("dataset/no/such")) is None

    async def test_an_id_is_never_given_twice(self, catalog, resource, new_resource):
        with pytest.raises(Conflict):
            await catalog.create_resource(new_resource("dataset/other/name"))

    async def test_a_resource_comes_back_as_it_was_made(self, catalog, resource, new_resource):
        assert resource == new_resource("dataset/vision/digits")
        assert await catalog.find_resource(resource.name) == resource

    async def test_a_name_that_is_taken_gives_the_first(self, catalog, resource, new_resource):
        assert await catalog.create_resource(new_resource("dataset/vision/digits", "1")) == resource

    async def test_two_who_make_one_name_at_once_get_one_resource(self, catalog, new_resource):
        made = await at_once(*(catalog.create_resource(new_resource("model/a/b", digit)) for digit in "01234567"))
        assert len(set(made)) == 1

    async def test_names_come_in_the_order_that_the_model_gives_them(self, catalog, new_resource):
        names = ["dataset/a/a", "dataset/a/a-b", "dataset/a/a.b", "dataset/a/a_b", "dataset/a/ab", "dataset/a-a/a"]
        for digit, name in enumerate([*names, "model/a/a"]):
            await catalog.create_resource(new_resource(name, str(digit)))
        found = await self.page(catalog, limit=10)
        assert found == sorted(found, key=ResourceName.parse)
        assert await self.page(catalog, limit=2) == found[:2]
        assert await self.page(catalog, after=ResourceName.parse(found[3])) == found[4:]
        assert await self.page(catalog, kind=ResourceKind.MODEL) == ["model/a/a"]
        assert await self.page(catalog, namespace="a-a") == ["dataset/a-a/a"]

    async def page(self, catalog, *, kind=None, namespace=None, after=None, limit=10):
        found = await catalog.list_resources(kind=kind, namespace=namespace, after=after, limit=limit)
        return [str(resource.name) for resource in found]


class TestVersions:
    async def test_what_is_not_there_is_none(self, catalog, resource):
        assert await catalog.find_version(resource) is None
        assert await catalog.find_version(resource, number=1) is None
        assert await catalog.find_version(resource, digest="sha256:" + "0" * 64) is None
        assert await catalog.list_versions(resource) == []

    async def test_versions_are_numbered_from_one_and_listed_newest_first(
        self, catalog, resource, new_push, new_version
    ):
        for digit in "123":
            await commit_new(catalog, resource, new_push, new_version, digit)
        assert [version.number for version in await catalog.list_versions(resource)] == [3, 2, 1]

    async def test_a_version_is_found_by_number_and_by_digest(self, catalog, resource, new_push, new_version):
        first = await commit_new(catalog, resource, new_push, new_version, "1")
        second = await commit_new(catalog, resource, new_push, new_version, "2")
        assert first == replace(new_version(resource, "1"), number=1)
        assert await catalog.find_version(resource, number=1) == first
        assert await catalog.find_version(resource, digest=first.digest) == first
        assert await catalog.find_version(resource) == second

    async def test_versions_of_another_resource_are_not_found(
        self, catalog, resource, new_resource, new_push, new_version
    ):
        other = await catalog.create_resource(new_resource("dataset/vision/other", "1"))
        version = await commit_new(catalog, other, new_push, new_version, "1")
        assert await catalog.find_version(resource, digest=version.digest) is None
        assert await catalog.tags(resource) == {}


class TestTags:
    async def test_a_tag_cannot_name_a_version_that_is_not_there(self, catalog, resource):
        with pytest.raises(UnknownVersion, match="no version v1"):
            await catalog.set_tag(resource, "prod", 1)
        assert await catalog.tags(resource) == {}

    async def test_a_tag_moves(self, catalog, resource, new_push, new_version):
        for digit in "12":
            await commit_new(catalog, resource, new_push, new_version, digit)
        await catalog.set_tag(resource, "prod", 2)
        await catalog.set_tag(resource, "prod", 1)
        assert await catalog.tags(resource) == {"latest": 2, "prod": 1}


class TestPushes:
    async def test_a_push_of_no_resource_is_refused(self, catalog, new_resource, new_push):
        with pytest.raises(Conflict):
            await catalog.open_push(new_push(new_resource("dataset/no/such")))

    async def test_an_unknown_push_is_none_and_takes_nothing(self, catalog):
        assert await catalog.find_push("0" * 32) is None
        for call in (catalog.reserve_objects("0" * 32, 1), catalog.close_push("0" * 32)):
            with pytest.raises(PushClosed):
                await call

    async def test_an_aborted_push_takes_no_more(self, catalog, push, resource, new_version):
        assert await catalog.close_push(push.id) == []
        assert await catalog.close_push(push.id) == []
        await self.refuses_everything(catalog, push)
        with pytest.raises(PushClosed):
            await catalog.commit_push(push, new_version(resource), [])
        assert await catalog.find_push(push.id) == replace(push, closed=True)
        assert await catalog.list_versions(resource) == []

    async def test_a_published_push_takes_no_more(self, catalog, push, resource, new_version):
        await catalog.commit_push(push, new_version(resource), [])
        await self.refuses_everything(catalog, push)
        with pytest.raises(PushClosed):
            await catalog.close_push(push.id)
        assert await catalog.find_push(push.id) == replace(push, committed_as=1)

    async def refuses_everything(self, catalog, push):
        for call in (catalog.reserve_objects(push.id, 1), catalog.add_upload(push.id, 0, "upload")):
            with pytest.raises(PushClosed, match=push.id):
                await call

    async def test_a_push_comes_back_as_it_was_opened(self, catalog, resource, new_push):
        push = replace(new_push(resource), expires_at=new_push(resource).created_at + timedelta(hours=24))
        await catalog.open_push(push)
        assert await catalog.find_push(push.id) == push

    async def test_no_object_number_is_given_twice(self, catalog, push):
        firsts = await at_once(*(catalog.reserve_objects(push.id, 5) for _ in range(10)))
        assert sorted(firsts) == list(range(0, 50, 5))

    async def test_the_first_upload_of_an_object_stays(self, catalog, push):
        await catalog.add_upload(push.id, 2, "first")
        await catalog.add_upload(push.id, 2, "second")
        await catalog.add_upload(push.id, 0, "other")
        assert await catalog.find_upload(push.id, 2) == "first"
        assert await catalog.find_upload(push.id, 1) is None
        assert await catalog.close_push(push.id) == [(0, "other"), (2, "first")]


class TestCommits:
    async def test_the_newest_content_is_not_published_again(self, catalog, resource, push, new_push, new_version):
        await catalog.commit_push(push, new_version(resource), ["latest"])
        with pytest.raises(VersionExists, match="dataset/vision/digits@v1"):
            await commit_new(catalog, resource, new_push, new_version, "1")
        assert len(await catalog.list_versions(resource)) == 1
        assert (await catalog.find_push("1" * 32)).committed_as is None

    async def test_content_may_come_back_after_another(self, catalog, resource, new_push, new_version):
        await commit_new(catalog, resource, new_push, new_version, "1")
        await commit_new(catalog, resource, new_push, new_version, "2")
        again = new_push(resource, "3")
        await catalog.open_push(again)
        third = await catalog.commit_push(again, new_version(resource, "1"), ["latest"])
        assert third.number == 3
        assert await catalog.find_version(resource, digest=third.digest) == third

    async def test_a_push_that_was_published_gives_the_same_version_again(self, catalog, resource, push, new_version):
        first = await catalog.commit_push(push, new_version(resource), ["latest"])
        assert await catalog.commit_push(push, new_version(resource), ["latest"]) == first
        assert await catalog.list_versions(resource) == [first]

    async def test_tags_move_with_the_commit(self, catalog, resource, push, new_push, new_version):
        await catalog.commit_push(push, new_version(resource, "2"), ["latest", "prod", "latest"])
        await commit_new(catalog, resource, new_push, new_version, "1")
        assert await catalog.tags(resource) == {"latest": 2, "prod": 1}

    async def test_commits_at_once_get_numbers_of_their_own(self, catalog, resource, new_push, new_version):
        commits = (commit_new(catalog, resource, new_push, new_version, digit) for digit in "12345678")
        versions = await at_once(*commits)
        assert sorted(version.number for version in versions) == list(range(1, 9))
        assert {version.digest for version in await catalog.list_versions(resource)} == {v.digest for v in versions}

    async def test_one_push_committed_twice_at_once_is_one_version(self, catalog, resource, push, new_version):
        twice = await at_once(*(catalog.commit_push(push, new_version(resource), ["latest"]) for _ in range(4)))
        assert len(set(twice)) == 1
        assert len(await catalog.list_versions(resource)) == 1

    async def test_one_content_committed_twice_at_once_is_one_version(self, catalog, resource, new_push, new_version):
        pushes = [new_push(resource, digit) for digit in "12"]
        for push in pushes:
            await catalog.open_push(push)
        results = await at_once(*(catalog.commit_push(push, new_version(resource), []) for push in pushes))
        assert [type(result).__name__ for result in sorted(results, key=str)].count("VersionExists") == 1
        assert len(await catalog.list_versions(resource)) == 1


async def test_a_migrated_database_is_healthy(catalog):
    await catalog.check()
