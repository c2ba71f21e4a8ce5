"""Batches: every file decided, pinned to one version, whole only with the last line, recorded before they leave."""

import base64
import json

import pytest

from gateway import envelope
from gateway.api.schemas.links import MAX_LISTED

pytestmark = pytest.mark.anyio

DIGITS = "dataset/vision/digits"
MANY = 2500


async def batch(house, who="ada", **asked):
    return await house.ask(who, "POST", "/v1/links:batch", {"resource": DIGITS} | asked)


async def lines(house, who="ada", **asked):
    answer = await batch(house, who, **asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
async def many(house):
    files = {f"train/{number:05}.csv": b"%d" % number for number in range(MANY)}
    await house.publish(DIGITS, files | {"held-out/b.csv": b"secret", "z": b""})
    return house


class TestRefusals:
    async def test_who_may_not_list_learns_nothing_by_a_prefix(self, digits):
        lease = await digits.ask("trainer", "POST", "/v1/leases",
                                 {"resources": [DIGITS], "purpose": "run-1", "ttl_seconds": 60})  # fmt: skip
        for more in ({}, {"lease": lease.json()["id"]}, {"resource": "dataset/vision/none"}):
            answer = await batch(digits, "trainer", **more)
            assert (answer.status_code, answer.json()["code"]) == (403, "access-denied")

    async def test_who_may_read_none_of_a_list_learns_nothing(self, digits):
        for path in ("held-out/b.csv", "held-out/none"):
            answer = await batch(digits, "ivan", paths=[path])
            assert (answer.status_code, answer.json()["code"]) == (403, "access-denied")

    async def test_each_file_of_a_list_is_decided_and_each_refusal_recorded(self, digits):
        _, allowed, *refused, end = await lines(digits, "ivan", paths=["held-out/b.csv", "a.csv", "none", "held-out/x"])
        assert (allowed["path"], "url" in allowed) == ("a.csv", True)
        assert {one["path"]: one["code"] for one in refused} == {
            "held-out/b.csv": "access-denied", "none": "unknown-path", "held-out/x": "access-denied",
        }  # fmt: skip
        assert end == {"links": 1, "refused": 3, "next": None}
        assert sorted((await digits.codes())[-4:]) == ["", "access-denied", "access-denied", "unknown-path"]

    async def test_a_denied_folder_is_left_out_of_a_prefix_and_recorded_file_by_file(self, many):
        _, *found, end = await lines(many, "ivan")
        assert end == {"links": MANY + 1, "refused": 1, "next": None}
        assert [one["path"] for one in found if "code" in one] == ["held-out/b.csv"]
        denied = [event for event in await many.events() if event.get("action") == "Denied"]
        assert [event["resources"][0]["uid"] for event in denied] == [f"{DIGITS}/latest/held-out/b.csv"]

    async def test_a_reference_that_moved_is_refused(self, digits):
        digest = (await lines(digits, limit=1))[0]["version"]["digest"]
        await digits.publish(DIGITS, {"new": b"new"})
        answer = await batch(digits, digest=digest)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert (await lines(digits, version="v1", digest=digest))[0]["version"]["number"] == 1

    @pytest.mark.parametrize(
        "asked",
        [{"paths": []}, {"paths": ["a"], "prefix": "a"}, {"paths": ["a"], "after": "a"}, {"paths": ["../a"]},
         {"limit": 0}, {"limit": 1_000_001}, {"prefix": "x" * 1025}, {"resource": "digits"}, {"version": "v0"},
         {"digest": "sha256:x"}, {"ttl_seconds": 0}, {"uses": 1}, {"network": "x", "mode": "stream"}, {"more": 1},
         {"paths": ["a"] * (MAX_LISTED + 1)}],
    )  # fmt: skip
    async def test_what_is_out_of_bounds_is_refused(self, digits, asked):
        assert (await batch(digits, **asked)).status_code in {400, 422}

    async def test_a_million_paths_in_one_body_are_refused(self, digits):
        answer = await batch(digits, paths=[f"train/{number:07}" for number in range(1_000_000)])
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")

    @pytest.mark.parametrize(
        "revoked", [{"kind": "principal", "value": "people/ada"}, {"kind": "resource", "value": DIGITS}]
    )
    async def test_what_is_frozen_gets_no_links(self, digits, revoked):
        await digits.ask("ada", "POST", "/v1/revocations", revoked | {"freeze_seconds": 60})
        answers = await lines(digits)
        assert [one.get("code") for one in answers] == [None, "revoked"]

    async def test_a_failure_on_the_way_is_said_and_leaves_no_last_line(self, many, monkeypatch):
        sign_all, calls = many.signer.sign_all, []

        def fail_later(*arguments, **options):
            calls.append(1)
            if len(calls) > 1:
                many.time.advance(31 * 86_400)
            return sign_all(*arguments, **options)

        monkeypatch.setattr(many.signer, "sign_all", fail_later)
        *_, last = await lines(many)
        assert (last["code"], "next" in last) == ("token-expired", False)


class TestAnswers:
    async def test_every_file_below_a_prefix_gets_a_link_that_opens_it(self, many):
        first, *found, end = await lines(many, prefix="train/000")
        assert (first["version"]["number"], first["mode"]) == (1, "direct")
        assert [one["path"] for one in found] == [f"train/{number:05}.csv" for number in range(100)]
        assert end == {"links": 100, "refused": 0, "next": None}
        for number, one in enumerate(found):
            where = one["url"].removeprefix("http://s3.example/data/").partition("?")[0]
            key = base64.urlsafe_b64decode(one["object_key"] + "=")
            stored = await many.objects.get(where)
            assert envelope.key_check(key) == one["key_check"]
            assert (len(stored), envelope.open_sealed(key, stored)) == (one["ciphertext_size"], b"%d" % number)

    async def test_a_batchs_link_is_the_one_that_is_signed_alone(self, digits):
        paths = ["a.csv", "train/größe 1.bin"]
        alone = (await digits.links("ada", {"paths": paths})).json()["links"]
        _, *together, _ = await lines(digits, paths=paths)
        for one, other in zip(alone, together, strict=True):
            assert other == {name: one[name] for name in other}

    async def test_pages_go_on_where_the_last_one_ended_and_are_renewed_by_asking_again(self, many):
        seen, after = [], ""
        while after is not None:
            asked = {"after": after, "limit": 1000}
            first, *found, end = await lines(many, **asked)
            assert [one["path"] for one in (await lines(many, digest=first["version"]["digest"], **asked))[1:-1]] == [
                one["path"] for one in found
            ]
            seen += [one["path"] for one in found]
            after = end["next"]
        assert seen == ["held-out/b.csv", *(f"train/{number:05}.csv" for number in range(MANY)), "z"]

    async def test_a_limit_that_is_just_enough_ends_it(self, digits):
        assert (await lines(digits, limit=4))[-1] == {"links": 4, "refused": 0, "next": None}
        assert (await lines(digits, limit=3))[-1] == {"links": 3, "refused": 0, "next": "held-out/b.csv"}

    async def test_a_prefix_without_files_is_empty(self, digits):
        assert (await lines(digits, prefix="none/"))[1:] == [{"links": 0, "refused": 0, "next": None}]

    async def test_a_prefix_may_be_a_whole_path(self, digits):
        assert [one.get("path") for one in await lines(digits, prefix="a.csv")] == [None, "a.csv", None]

    async def test_stream_links_come_in_batches_as_well(self, digits, content):
        _, one, _ = await lines(digits, prefix="a.csv", mode="stream", uses=1)
        assert "object_key" not in one
        assert (await digits.follow(one["url"])).content == content
        assert (await digits.follow(one["url"])).status_code == 403

    async def test_links_end_with_the_lease(self, digits):
        lease = await digits.ask("ada", "POST", "/v1/leases",
                                 {"resources": [DIGITS], "purpose": "run-1", "ttl_seconds": 60})  # fmt: skip
        _, one, *_ = await lines(digits, lease=lease.json()["id"])
        assert one["expires_at"] == "2030-01-01T00:01:00Z"

    async def test_what_is_decided_once_is_recorded_once_with_what_it_covers(self, many):
        before = len(await many.events())
        await lines(many)
        listed, *pages = (await many.events())[before:]
        assert listed["api"]["operation"] == "gateway:ListFiles"
        assert sum(event["api"]["response"]["data"]["links"] for event in pages) == MANY + 2
        assert len(pages) <= 4
        assert pages[0]["unmapped"]["first"] == "held-out/b.csv"
        assert pages[-1]["unmapped"]["last"] == "z"
        assert all(event["resources"][0]["data"]["digest"] for event in pages)

    async def test_no_line_leaves_before_its_event(self, many, monkeypatch):
        from gateway.errors import JournalUnavailable  # noqa: PLC0415 -- this test's own

        append, calls = many.journal.append_all, []

        async def full_later(events):
            calls.append(1)
            if len(calls) > 2:
                raise JournalUnavailable("full")
            return await append(events)

        monkeypatch.setattr(many.journal, "append_all", full_later)
        answers = await lines(many)
        assert answers[-1]["code"] == "journal-unavailable"
        assert len(answers) == 1 + 1000 + 1
