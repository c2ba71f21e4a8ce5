"""Keys over HTTP: how they stand, rotation of all that are due, new epochs and retirement."""

import pytest

from gateway.errors import VaultUnavailable

pytestmark = pytest.mark.anyio

NAME = "dataset/vision/digits"


async def status(house, **params):
    async with house.as_person("ada") as client:
        answer = await client.get(f"/v1/{NAME}/keys", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/keys"), ("POST", "/keys:rotate"), ("POST", "/keys:new-epoch"), ("POST", "/keys:retire")],
    )
    async def test_who_may_not_learns_nothing(self, digits, method, path):
        there = await digits.ask("eve", method, f"/v1/{NAME}{path}")
        nowhere = await digits.ask("eve", method, f"/v1/dataset/vision/none{path}")
        assert (there.status_code, nowhere.status_code) == (403, 403)
        assert there.json()["detail"].replace("digits", "none") == nowhere.json()["detail"]

    async def test_what_was_never_pushed_has_no_keys(self, house):
        answer = await house.ask("ada", "GET", f"/v1/{NAME}/keys")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-resource")

    async def test_retirement_names_what_still_needs_the_old_version(self, digits):
        await digits.vault.rotate_kek(next(iter(digits.vault.keks)))
        digits.time.advance(60)
        answer = await digits.ask("ada", "POST", f"/v1/{NAME}/keys:retire")
        assert (answer.status_code, answer.json()["code"]) == (409, "still-needed")
        assert "epochs 1 (version 1)" in answer.json()["detail"]

    async def test_rotating_all_leaves_out_what_the_caller_may_not_rotate(self, digits):
        answer = await digits.ask("trainer", "POST", "/v1/keys:rotate-due", {"older_than_seconds": 0})
        assert answer.status_code == 403  # it may not even list
        assert {len(versions) for versions in digits.vault.keks.values()} == {1}


async def test_what_hangs_on_what_is_shown(digits):
    before = await status(digits)
    assert [(one["version"], one["data_keys"], one["objects"]) for one in before["kek_versions"]] == [(1, 1, 4)]
    digits.time.advance(86_400)
    assert (await digits.ask("ada", "POST", f"/v1/{NAME}/keys:new-epoch")).json() == {"epoch": 2}
    assert (await digits.ask("ada", "POST", f"/v1/{NAME}/keys:rotate")).json() == {"kek_version": 2, "rewrapped": 2}
    await digits.publish(NAME, {"b.csv": b"new"})
    after = await status(digits)
    assert [(one["version"], one["data_keys"], one["objects"]) for one in after["kek_versions"]] == [
        (1, 0, 0),
        (2, 2, 5),
    ]
    assert [(one["epoch"], one["kek_version"], one["objects"]) for one in after["epochs"]] == [(1, 2, 4), (2, 2, 1)]
    assert after["due_at"] == "2030-04-02T00:00:00Z"
    assert (after["reencryption"], after["shred"]) == (None, None)


async def test_objects_are_counted_once_however_many_versions_have_them_and_only_when_asked(digits):
    await digits.publish(NAME, {"a.csv": b"another"})
    assert (await status(digits))["epochs"][0]["objects"] == 5
    uncounted = await status(digits, count="false")
    assert (uncounted["epochs"][0]["objects"], uncounted["kek_versions"][0]["bytes"]) == (None, None)


async def test_after_a_rotation_old_versions_are_retired_and_every_file_still_opens(digits, content):
    await digits.ask("ada", "POST", f"/v1/{NAME}/keys:rotate")
    digits.time.advance(60)
    answer = await digits.ask("ada", "POST", f"/v1/{NAME}/keys:retire")
    assert answer.json() == {"oldest_kek_version": 2}
    digits.keys.close()  # nothing is in memory
    assert (await digits.follow(await digits.stream_link())).content == content
    assert [one["version"] for one in (await status(digits))["kek_versions"]] == [2]


class TestRotationOfAll:
    @pytest.fixture
    async def many(self, house):
        for number in range(7):
            await house.publish(f"dataset/vision/d{number}", {"a": b"a"})
        return house

    async def rotate(self, house, **body):
        answer = await house.ask("ada", "POST", "/v1/keys:rotate-due", {"older_than_seconds": 86_400} | body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def test_what_is_young_is_left_alone(self, many):
        done = await self.rotate(many)
        assert [one["rotated"] for one in done["resources"]] == [False] * 7
        assert done["next"] is None

    async def test_it_goes_on_page_by_page_and_a_second_run_has_nothing_to_do(self, many):
        many.time.advance(86_400)
        seen, after = [], None
        while True:
            done = await self.rotate(many, after=after, limit=3)
            seen += [one["name"] for one in done["resources"] if one["rotated"]]
            after = done["next"]
            if after is None:
                break
        assert seen == [f"dataset/vision/d{number}" for number in range(7)]
        assert not any(one["rotated"] for one in (await self.rotate(many))["resources"])

    async def test_what_was_cut_off_between_rotation_and_rewrapping_is_brought_up(self, many):
        cut_off = next(iter(many.vault.keks))
        await many.vault.rotate_kek(cut_off)
        done = await self.rotate(many)
        assert [(one["rotated"], one["rewrapped"]) for one in done["resources"]].count((False, 1)) == 1
        (row,) = await many.wrapped.all(cut_off.removeprefix("gateway-"))
        assert row.kek_version == 2

    async def test_one_that_fails_is_named_and_holds_up_no_other(self, many):
        many.time.advance(86_400)
        broken, describe = next(iter(many.vault.keks)), many.vault.describe_kek

        async def failing(kek):
            if kek == broken:
                raise VaultUnavailable("away")
            return await describe(kek)

        many.vault.describe_kek = failing
        done = (await self.rotate(many))["resources"]
        assert [one["failure"] for one in done].count("vault-unavailable") == 1
        assert [one["rotated"] for one in done].count(True) == 6

    async def test_each_is_recorded(self, many):
        many.time.advance(86_400)
        await self.rotate(many)
        told = [
            e["resources"][0]["uid"]
            for e in await many.events()
            if e.get("api", {}).get("operation") == "gateway:RotateKey"
        ]
        assert len(told) == 14  # an intent and an outcome for each
        assert len(set(told)) == 7
