"""Garbage is collected beside pushes at every point of them; a check says all that is missing, and nothing else."""

import asyncio
import random

import anyio
import pytest

from gateway.broker.layout import object_prefix, pack_prefix
from gateway.errors import StorageUnavailable
from gateway.model import ResourceName

pytestmark = pytest.mark.anyio
NAME = "dataset/vision/digits"
PATHS = [f"train/{number:04}.csv" for number in range(200)]
NOTHING = {"objects": 0, "packs": 0, "bytes": 0, "pushes": 0, "dry_run": False}
WHOLE = {"files": 200, "pages": 10, "objects": 200, "faults": 0}


@pytest.fixture
def collect(house):
    """Collects garbage and returns what was."""

    async def ask(grace_seconds=0, *, dry_run=False):
        body = {"grace_seconds": grace_seconds, "dry_run": dry_run}
        answer = await house.ask("ada", "POST", f"/v1/{NAME}/garbage:collect", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


@pytest.fixture
def remove(house):
    """Removes a version."""

    async def ask(number):
        return (await house.ask("ada", "DELETE", f"/v1/{NAME}/versions/v{number}")).status_code

    return ask


@pytest.fixture
def check(lines):
    """Returns the faults of a version, and the counts."""

    async def ask(ref="latest"):
        _, *faults, end = await lines(f"versions/{ref}/check")
        return faults, end

    return ask


async def keys(house):
    resource = await house.catalog.find_resource(ResourceName.parse(NAME))
    prefixes = (object_prefix(resource.id), pack_prefix(resource.id))
    return [{found.key async for found in house.objects.list(prefix)} for prefix in prefixes]


class TestGarbage:
    async def test_it_is_left_where_nobody_can_tell_what_is_reached(self, house, publish, contents, remove):
        await publish(contents())
        await publish(contents())
        assert await remove(1) == 204
        objects, packs = await keys(house)
        await house.objects.delete_all(sorted(packs))
        answer = await house.ask("ada", "POST", f"/v1/{NAME}/garbage:collect", {"grace_seconds": 0})
        assert (answer.status_code, answer.json()["code"]) == (502, "integrity-error")
        assert (await keys(house))[0] == objects

    async def test_what_a_version_reaches_stays(self, house, publish, contents, collect):
        await publish(contents())
        await publish(contents(["new"]), kept={1: PATHS[:100]})
        before = await keys(house)
        assert await collect() == NOTHING
        assert await keys(house) == before

    async def test_what_only_a_removed_version_had_goes_and_what_others_share_stays(
        self, house, publish, contents, collect, remove, check
    ):
        await publish(contents())
        await publish(contents(["new"]), kept={1: PATHS[:100]})
        assert await remove(1) == 204
        done = await collect()
        assert (done["objects"], done["packs"]) == (100, 1)  # its root; half of its leaves are another's as well
        assert await check() == ([], {"files": 101, "pages": 6, "objects": 101, "faults": 0})

    async def test_nothing_goes_before_its_grace_is_over(self, house, time, publish, contents, collect, remove):
        await publish(contents())
        await publish(contents())
        assert await remove(1) == 204
        assert await collect(3600) == NOTHING
        time.advance(3601)
        assert (await collect(3600))["objects"] == 200
        assert await collect(3600) == NOTHING

    async def test_a_dry_run_counts_and_changes_nothing(self, house, time, publish, pushing, contents, collect, remove):
        await publish(contents())
        await publish(contents())
        await (await pushing()).upload(contents())
        assert await remove(1) == 204
        time.advance(86_401)
        before = await keys(house)
        counted = await collect(dry_run=True)
        assert await keys(house) == before
        done = await collect()
        assert (counted["objects"], counted["pushes"]) == (200, 1)  # the push is open still, and so are its objects
        assert (done["objects"], done["packs"], done["pushes"]) == (400, 2, 1)

    async def test_what_an_aborted_push_uploaded_goes(self, house, publish, pushing, contents, collect):
        await publish(contents())
        push = await (await pushing()).upload(contents())
        assert await collect() == NOTHING
        assert (await house.ask("ada", "DELETE", f"/v1/{NAME}/pushes/{push.id}")).status_code == 204
        assert (await collect())["objects"] == 200

    async def test_a_push_that_ran_out_is_closed_for_good(self, house, time, publish, pushing, contents, collect):
        await publish(contents())
        push = await (await pushing()).upload(contents())
        time.advance(86_400)
        assert (await collect(1))["pushes"] == 0
        time.advance(1)
        done = await collect(1)
        assert (done["pushes"], done["objects"]) == (1, 200)
        assert (await push.commit()).json()["code"] == "push-closed"

    async def test_a_commit_under_way_when_its_push_is_closed_fails(
        self, house, time, publish, pushing, contents, collect, monkeypatch
    ):
        await publish(contents())
        push = await (await pushing()).upload(contents())
        time.advance(86_399)
        commit = house.catalog.commit_push

        async def late(*given, **more):
            time.advance(10)
            assert (await collect())["pushes"] == 1
            return await commit(*given, **more)

        monkeypatch.setattr(house.catalog, "commit_push", late)
        assert (await push.commit()).json()["code"] == "push-closed"

    async def test_what_nobody_wrote_that_we_know_of_is_left_alone(self, house, publish, contents, collect):
        await publish(contents())
        resource = await house.catalog.find_resource(ResourceName.parse(NAME))
        for key in (f"{object_prefix(resource.id)}{'9' * 32}/0", f"{pack_prefix(resource.id)}{'9' * 32}/x"):
            await house.objects.put(key, b"?")
        assert await collect() == NOTHING

    async def test_a_copy_under_another_key_stays_and_goes_with_its_file(
        self, house, publish, contents, collect, remove
    ):
        await publish(contents(PATHS[:1]))
        await publish(contents())
        for key in (await keys(house))[0]:
            await house.objects.put(f"{key}@2", b"copy")
        assert await collect() == NOTHING
        assert await remove(1) == 204
        assert (await collect())["objects"] == 2

    async def test_equal_pages_of_two_pushes_are_each_versions_own(
        self, house, publish, pushing, contents, collect, remove, check
    ):
        """Two pushes at once leave out the same file, so that both write the same pages, each to its own packs."""
        await publish(contents())
        first = (await pushing()).keep(1, PATHS[1:])
        second = (await pushing()).keep(1, PATHS[1:])
        assert (await first.commit()).status_code == 201
        await publish(contents(["between"]))
        assert (await second.commit()).status_code == 201
        assert [(await check(f"v{number}"))[0] for number in (2, 4)] == [[], []]
        assert await remove(2) == 204
        assert (await collect())["packs"] > 0
        assert (await check("v4"))[0] == []
        house.forget_pages()
        assert (await check("v4"))[0] == []

    @pytest.mark.parametrize("moment", ["opened", "uploaded", "pages written", "committed"])
    async def test_a_push_is_whole_wherever_collecting_meets_it(
        self, house, publish, pushing, contents, collect, remove, check, monkeypatch, moment
    ):
        await publish(contents())
        await publish(contents(), kept={1: PATHS[:0]})
        push = await pushing()
        files = contents([f"new/{number}" for number in range(50)])

        async def at(point):
            if point == moment:
                await collect()

        commit = house.catalog.commit_push

        async def committing(*given, **more):
            await at("pages written")
            return await commit(*given, **more)

        monkeypatch.setattr(house.catalog, "commit_push", committing)
        await at("opened")
        (await push.upload(files)).keep(2, PATHS[:100])
        await at("uploaded")
        assert (await push.commit()).status_code == 201
        await at("committed")
        await collect()
        assert (await check())[0] == []

    @pytest.mark.parametrize("seed", range(3))
    async def test_no_version_ever_misses_a_byte_whoever_works_beside(
        self, house, publish, pushing, contents, collect, remove, check, monkeypatch, seed
    ):
        """Pushes that share, removals and collections, all at once, in an order that chance gives."""
        chance = random.Random(seed)  # noqa: S311 -- no secret
        await publish(contents(PATHS[:60]))
        slow_down(house.objects, chance, monkeypatch)
        published, refused = [1], []

        async def push(number):
            base = chance.choice(published)
            going = (await pushing()).keep(base, PATHS[number : 40 + number])
            await going.upload(contents([f"new/{number}-{i}" for i in range(5)]))
            answer = await going.commit()
            if answer.status_code == 201:
                published.append(answer.json()["version"]["number"])
            else:
                refused.append(answer.json()["code"])

        async def tidy():
            if len(published) > 3:
                await remove(published.pop(chance.randrange(len(published))))
            await collect()

        for _ in range(4):
            await asyncio.gather(*(push(number) for number in range(3)), tidy(), tidy())
        assert set(refused) <= {"conflict", "unknown-version", "unknown-path"}
        monkeypatch.undo()
        house.forget_pages()
        await collect()
        resource = await house.catalog.find_resource(ResourceName.parse(NAME))
        standing = await house.catalog.list_versions(resource)
        assert len(standing) > 2
        for version in standing:
            assert (await check(f"v{version.number}"))[0] == []


def slow_down(objects, chance, monkeypatch):
    """Let others run before each call, as often as chance says."""
    for name in ("get", "put", "delete_all"):
        call = getattr(objects, name)

        async def slow(*given, call=call):
            for _ in range(chance.randrange(4)):
                await anyio.lowlevel.checkpoint()
            return await call(*given)

        monkeypatch.setattr(objects, name, slow)


class TestCheck:
    async def test_a_missing_object_and_a_short_one_are_named(self, house, publish, contents, check):
        await publish(contents())
        objects, _ = await keys(house)
        first, second = (key for number in (3, 8) for key in objects if key.endswith(f"/{number}"))
        await house.objects.delete(first)
        await house.objects.put(second, b"short")
        faults, end = await check()
        assert faults == [
            {"path": PATHS[3], "problem": "its object is missing"},
            {"path": PATHS[8], "problem": "its object has 5 bytes, and should have 106"},
        ]
        assert end == WHOLE | {"objects": 199, "faults": 2}

    async def test_damaged_pages_hide_no_other_fault(self, house, publish, contents, check):
        # Twice, so that the second version's root is in one pack, and most of its leaves are in another.
        await publish(contents())
        await publish(contents(PATHS[:10]), kept={1: PATHS[10:]})
        packs = sorted(
            [(found.size, found.key) async for found in house.objects.list("r/") if "/p/" in found.key], reverse=True
        )
        await house.objects.delete(packs[0][1])
        house.forget_pages()
        faults, end = await check()
        assert len(faults) == end["faults"] > 1
        assert all("is damaged" in fault["problem"] for fault in faults)
        assert 0 < end["files"] < 200

    async def test_a_version_that_is_whole_has_no_fault(self, house, publish, contents, check):
        await publish(contents())
        assert await check() == ([], WHOLE)

    async def test_signs_of_life_come_while_it_looks(self, house, publish, contents, check, monkeypatch):
        await publish(contents())
        monkeypatch.setattr("gateway.broker.inspection._TELL_AFTER", 100)
        monkeypatch.setattr("gateway.broker.inspection._TELL_AFTER_PAGES", 4)
        assert await check() == ([{"objects": 100}, {"objects": 200}, {"objects": 200}, {"objects": 200}], WHOLE)

    async def test_a_store_that_is_away_ends_it_with_its_error(self, house, publish, contents, lines, monkeypatch):
        await publish(contents())

        async def away(prefix):
            raise StorageUnavailable("S3 is away.")
            yield

        monkeypatch.setattr(house.objects, "list", away)
        assert (await lines("versions/v1/check"))[-1]["code"] == "storage-unavailable"
