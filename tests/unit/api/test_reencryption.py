"""Re-encryption: every object is copied, read back and followed, and nobody who reads notices anything."""

import asyncio
import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import pytest

from gateway import envelope
from gateway.broker.pages import SealedPacks, pack_epoch
from gateway.broker.reencryptor import Moving, Reencryptor
from gateway.errors import ContentMismatch, IntegrityError, StorageUnavailable, Unavailable
from gateway.model import ResourceName

pytestmark = pytest.mark.anyio

NAME = "dataset/vision/digits"
JOB = f"/v1/{NAME}/reencryption"


class Mover:
    """Does what `gateway.client.rewriter` does, on the store in memory, with faults to order."""

    def __init__(self, objects):
        self.objects = objects
        self.rewritten = 0
        self.begun = threading.Event()
        self.failure = {}
        self.spoil = False

    def _where(self, url):
        return unquote(urlsplit(url).path).removeprefix("/data/")

    def _read(self, file):
        stored = self.objects._objects.get(self._where(file.url))
        if stored is None:
            raise IntegrityError("S3 has not the object that was written.")
        content = envelope.open_sealed(file.key, stored, key_check=file.key_check, plaintext_size=file.size)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise ContentMismatch("An object's content is not the one that was published.")
        return content

    def rewrite(self, job):
        self.rewritten += 1
        self.begun.set()
        if self.rewritten in self.failure:
            raise self.failure[self.rewritten]
        sealed = envelope.seal(job.key, self._read(job.source))
        if self.spoil:
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        [upload] = job.uploads
        assert upload.headers["content-length"] == str(len(sealed))
        self.objects._objects[self._where(upload.url)] = sealed
        return ("etag",)

    def read_back(self, file):
        self._read(file)


class Rig:
    def __init__(self, house, executor):
        self.house = house
        self.mover = Mover(house.objects)
        self.executor = executor
        self.worker = self.instance()

    def instance(self):
        house = self.house
        moving = Moving(lambda: self.executor, 2, self.mover.rewrite, self.mover.read_back, timedelta(hours=2))
        return Reencryptor(
            house.moves,
            house.catalog,
            house.objects,
            house.signer,
            house.keys,
            house.pages_of,
            lambda resource_id: SealedPacks(house.objects, house.keys, resource_id),
            house.journal,
            house.time,
            moving=moving,
        )

    async def begin(self, **body):
        await self.house.ask("ada", "POST", f"/v1/{NAME}/keys:new-epoch")
        answer = await self.house.ask("ada", "POST", JOB, body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def job(self):
        return (await self.house.ask("ada", "GET", JOB)).json()

    def stored(self, part):
        return sorted(key for key in self.house.objects._objects if f"/{part}/" in key)

    async def epochs(self):
        answer = await self.house.ask("ada", "GET", f"/v1/{NAME}/keys")
        return {one["epoch"]: one["objects"] for one in answer.json()["epochs"]}


@pytest.fixture
def rig(digits):
    with ThreadPoolExecutor(2) as executor:
        yield Rig(digits, executor)


class TestRefusals:
    @pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
    async def test_who_may_not_learns_nothing(self, digits, method):
        answer = await digits.ask("eve", method, JOB, {} if method == "POST" else None)
        assert answer.status_code == 403

    async def test_without_one_there_is_nothing_to_show_or_stop(self, digits):
        for method in ("GET", "DELETE"):
            answer = await digits.ask("ada", method, JOB)
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found")

    async def test_one_under_way_is_not_begun_again(self, rig):
        await rig.begin()
        answer = await rig.house.ask("ada", "POST", JOB, {})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")

    async def test_a_damaged_object_is_named_and_stays_where_it_is_and_the_others_move(self, rig, content):
        damaged = next(key for key in rig.stored("o") if len(rig.house.objects._objects[key]) > 1_000_000)
        whole = rig.house.objects._objects[damaged]
        rig.house.objects._objects[damaged] = whole[:-1] + b"\0"
        await rig.begin()
        await rig.worker.work_once()
        rig.house.time.advance(7200)
        await rig.worker.work_once()
        job = await rig.job()
        assert (job["state"], job["moved"], job["failed"]) == ("failed", 3, 1)
        assert damaged.rpartition("/")[2] in job["failure"].partition(":")[0]
        rig.house.objects._objects[damaged] = whole  # out of a backup
        assert await rig.epochs() == {1: 1, 2: 3}
        assert (await rig.house.follow(await rig.house.stream_link())).content == content

    async def test_a_damaged_manifest_ends_it_and_is_named(self, rig):
        (pack, *_) = rig.stored("p")
        rig.house.objects._objects[pack] = rig.house.objects._objects[pack][:-1] + b"\0"
        rig.house.forget_pages()
        await rig.begin()
        await rig.worker.work_once()
        job = await rig.job()
        assert (job["state"], job["failed"], rig.mover.rewritten) == ("failed", 1, 0)
        assert not await rig.worker.work_once()

    async def test_pages_that_nothing_reaches_and_that_are_damaged_are_named_and_hold_nothing_up(self, rig):
        (pack, *_) = rig.stored("p")
        stray = f"{pack.rpartition('/')[0]}/{'0' * 64}"
        rig.house.objects._objects[stray] = rig.house.objects._objects[pack][:-1] + b"\0"
        await rig.begin()
        await rig.worker.work_once()
        job = await rig.job()
        assert (job["moved"], job["failed"], job["failure"].startswith("pages ")) == (4, 1, True)

    async def test_a_copy_that_reads_back_as_something_else_is_not_used(self, rig, content):
        rig.mover.spoil = True
        await rig.begin()
        await rig.worker.work_once()
        assert (await rig.job())["moved"] == 0
        assert await rig.epochs() == {1: 4, 2: 0}
        assert (await rig.house.follow(await rig.house.stream_link())).content == content


class TestReaders:
    async def test_links_from_before_lead_to_the_old_copy_until_none_can_be_good(self, rig, content):
        link = await rig.house.stream_link(ttl_seconds=3600)
        old = rig.stored("o")
        await rig.begin()
        await rig.worker.work_once()
        assert (await rig.house.follow(link)).content == content
        rig.house.time.advance(7199)
        assert not await rig.worker.work_once()
        assert set(old) < set(rig.stored("o"))
        rig.house.time.advance(1)
        await rig.worker.work_once()
        assert set(old).isdisjoint(rig.stored("o"))
        assert (await rig.job())["state"] == "done"

    async def test_new_links_of_every_kind_lead_to_the_new_copy(self, rig, content):
        await rig.begin()
        await rig.worker.work_once()
        rig.house.time.advance(7200)
        await rig.worker.work_once()
        assert await rig.epochs() == {1: 0, 2: 4}
        assert (await rig.house.follow(await rig.house.stream_link())).content == content
        answer = await rig.house.links("ada", {"paths": ["a.csv"], "mode": "direct"})
        (direct,) = answer.json()["links"]
        async with rig.house.as_person("ada") as client:
            body = {"resource": NAME, "prefix": ""}
            lines = [json.loads(line) for line in (await client.post("/v1/links:batch", json=body)).text.splitlines()]
        links = [direct, *(line for line in lines if "url" in line)]
        assert len(links) == 5
        assert all("@2?" in unquote(link["url"]) for link in links)

    async def test_the_version_is_the_same_and_its_files_can_be_taken_over(self, rig, content):
        before = (await rig.house.ask("ada", "GET", f"/v1/{NAME}")).json()["versions"]
        await rig.begin()
        await rig.worker.work_once()
        after = (await rig.house.ask("ada", "GET", f"/v1/{NAME}")).json()["versions"]
        assert before == after

    async def test_manifest_pages_are_sealed_anew_as_well(self, rig):
        await rig.begin()
        await rig.worker.work_once()
        assert {pack_epoch(rig.house.objects._objects[key]) for key in rig.stored("p")} == {2}


class TestJob:
    async def test_it_says_how_far_it_is(self, rig):
        begun = await rig.begin(bytes_per_second=1 << 30)
        assert (begun["state"], begun["epoch"], begun["bytes_per_second"]) == ("running", 2, 1 << 30)
        await rig.worker.work_once()
        job = await rig.job()
        assert (job["state"], job["objects"], job["moved"], job["failed"]) == ("settling", 4, 4, 0)
        assert job["bytes"] == job["moved_bytes"] == 4096 + 3_000_000 + 6

    async def test_what_was_moved_before_a_kill_is_not_moved_again(self, rig):
        await rig.begin()
        rig.mover.failure = {3: StorageUnavailable("away"), 4: StorageUnavailable("away")}
        with pytest.raises(StorageUnavailable):
            await rig.worker.work_once()
        assert (await rig.job())["moved"] == 2
        another = rig.instance()
        assert not await another.work_once()  # the first one may yet come back
        rig.house.time.advance(60)
        await another.work_once()
        job = await rig.job()
        assert (job["state"], job["objects"], job["moved"]) == ("settling", 4, 4)
        assert rig.mover.rewritten == 4 + 2

    async def test_a_cluster_that_is_away_is_waited_for(self, rig):
        def refuse():
            raise Unavailable("No scheduler answers.")

        await rig.begin()
        rig.worker._moving = replace(rig.worker._moving, executor=refuse)
        with pytest.raises(Unavailable):
            await rig.worker.work_once()
        job = await rig.job()
        assert (job["state"], job["moved"], job["failed"]) == ("running", 0, 0)
        rig.house.time.advance(60)
        await rig.instance().work_once()
        assert (await rig.job())["moved"] == 4

    async def test_an_instance_that_is_shut_down_leaves_its_job_to_another(self, rig):
        await rig.begin(bytes_per_second=1)  # the second object waits for hours
        running = asyncio.create_task(rig.worker.run())
        await asyncio.to_thread(rig.mover.begun.wait, 30)
        running.cancel()
        await asyncio.wait({running})
        assert (await rig.job())["state"] == "running"

    async def test_stopped_it_keeps_what_was_moved_and_goes_on_when_it_is_begun_again(self, rig):
        await rig.begin()
        rig.mover.failure = {3: StorageUnavailable("away"), 4: StorageUnavailable("away")}
        with pytest.raises(StorageUnavailable):
            await rig.worker.work_once()
        assert (await rig.house.ask("ada", "DELETE", JOB)).status_code == 204
        rig.house.time.advance(60)
        assert not await rig.worker.work_once()
        assert (await rig.house.ask("ada", "DELETE", JOB)).status_code == 409
        assert (await rig.house.ask("ada", "POST", JOB, {})).status_code == 202
        await rig.worker.work_once()
        assert await rig.epochs() == {1: 0, 2: 4}

    async def test_objects_move_on_from_epoch_to_epoch(self, rig, content):
        for _ in range(2):
            await rig.begin()
            await rig.worker.work_once()
            rig.house.time.advance(7200)
            await rig.worker.work_once()
        assert await rig.epochs() == {1: 0, 2: 0, 3: 4}
        assert len(rig.stored("o")) == 4
        assert (await rig.house.follow(await rig.house.stream_link())).content == content

    async def test_objects_that_versions_share_move_once(self, rig):
        (before,) = await rig.house.catalog.list_versions(
            await rig.house.catalog.find_resource(ResourceName.parse(NAME))
        )
        await rig.house.publish(NAME, {"more.csv": b"more"})
        assert before.file_count == 4
        await rig.begin()
        await rig.worker.work_once()
        assert (await rig.job())["moved"] == rig.mover.rewritten == 5

    async def test_nothing_to_move_is_done_at_once(self, rig):
        answer = await rig.house.ask("ada", "POST", JOB, {})
        assert answer.status_code == 202
        await rig.worker.work_once()
        assert (rig.mover.rewritten, (await rig.job())["objects"]) == (0, 0)

    async def test_it_is_recorded(self, rig):
        await rig.begin()
        await rig.worker.work_once()
        rig.house.time.advance(7200)
        await rig.worker.work_once()
        told = [e["api"] for e in await rig.house.events() if e.get("api", {}).get("operation", "").endswith("Objects")]
        moved = {"data": {"epoch": 2, "moved": 4, "bytes": 3_004_102, "failed": 0}}
        assert [one.get("response") for one in told] == [None, {"data": {"epoch": 2}}, moved, moved]
