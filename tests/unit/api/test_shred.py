"""Shredding: two people and a delay stand before it, and afterwards nothing opens, which is tried."""

import asyncio
from datetime import timedelta

import pytest

from gateway.broker.shredder import Shredder
from gateway.errors import NotShredded, VaultUnavailable
from gateway.model import ResourceName

pytestmark = pytest.mark.anyio

NAME = "dataset/vision/digits"
SHRED = f"/v1/{NAME}/shred"
ASK = {"confirm": NAME, "reason": "erasure request 4711"}
DELAY = timedelta(days=7).total_seconds()


@pytest.fixture
def shredder(digits):
    return Shredder(
        digits.shreds,
        digits.lifecycle,
        digits.keys,
        digits.wrapped,
        digits.vault,
        digits.vault,
        digits.revocations,
        digits.journal,
        digits.time,
    )


async def ask(house, who="ada", **changed):
    return await house.ask(who, "POST", SHRED, ASK | changed)


async def approve(house, who="ivan", confirm=NAME):
    return await house.ask(who, "POST", f"{SHRED}:approve", {"confirm": confirm})


async def shred(house, shredder):
    assert (await ask(house)).status_code == 202
    assert (await approve(house)).status_code == 200
    house.time.advance(DELAY)
    assert await shredder.shred_next()


async def until(house, state):
    while True:
        if (await house.ask("ada", "GET", SHRED)).json()["state"] == state:
            return


def told(answer):
    return answer.status_code, answer.json()["code"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [("POST", "", ASK), ("GET", "", None), ("DELETE", "", None), ("POST", ":approve", {"confirm": NAME})],
    )
    async def test_who_may_not_learns_nothing(self, digits, method, path, body):
        assert told(await digits.ask("eve", method, f"{SHRED}{path}", body)) == (403, "access-denied")

    async def test_what_is_not_confirmed_is_not_asked_for(self, digits):
        assert told(await ask(digits, confirm="dataset/vision/other")) == (400, "invalid-input")
        assert told(await digits.ask("ada", "GET", SHRED)) == (404, "not-found")

    async def test_who_asked_cannot_approve(self, digits, shredder):
        await ask(digits)
        assert told(await approve(digits, "ada")) == (403, "access-denied")
        digits.time.advance(10 * DELAY)
        assert not await shredder.shred_next()

    async def test_an_approval_is_confirmed_as_well_and_given_once(self, digits):
        await ask(digits)
        assert told(await approve(digits, confirm="x")) == (400, "invalid-input")
        assert (await approve(digits)).status_code == 200
        assert told(await approve(digits)) == (409, "conflict")

    async def test_nothing_is_approved_that_nobody_asked_for(self, digits):
        assert told(await approve(digits)) == (404, "not-found")

    async def test_where_nobody_could_do_it_it_is_not_asked_for(self, digits):
        digits.app.state.broker.shredding._able = False
        answer = await ask(digits)
        assert told(answer) == (400, "invalid-configuration")
        assert "shredder_role_id_file" in answer.json()["hint"]

    async def test_it_is_asked_for_once(self, digits):
        await ask(digits)
        digits.time.advance(1)
        answer = await ask(digits, "ivan")
        assert told(answer) == (409, "conflict")
        assert "people/ada asked for it" in answer.json()["detail"]

    async def test_nothing_happens_before_its_time(self, digits, shredder, content):
        await ask(digits)
        await approve(digits)
        digits.time.advance(DELAY - 1)
        assert not await shredder.shred_next()
        assert (await digits.follow(await digits.stream_link())).content == content

    async def test_what_was_undone_never_happens(self, digits, shredder, content):
        await ask(digits)
        await approve(digits)
        digits.time.advance(DELAY - 1)
        assert (await digits.ask("ivan", "DELETE", SHRED)).status_code == 204
        digits.time.advance(DELAY)
        assert not await shredder.shred_next()
        assert (await digits.follow(await digits.stream_link())).content == content

    async def test_a_key_that_still_opens_is_no_success(self, digits, shredder):
        async def pretend(kek):
            pass

        digits.vault.destroy_kek = pretend
        await ask(digits)
        await approve(digits)
        digits.time.advance(DELAY)
        with pytest.raises(NotShredded, match="Vault still has the key"):
            await shredder.shred_next()
        assert (await digits.ask("ada", "GET", SHRED)).json()["state"] == "destroying"
        assert (await digits.codes())[-2] == "not-shredded"  # before that it was looked at


class TestAfterwards:
    async def test_nothing_opens_by_any_way_and_each_was_tried(self, digits, shredder):
        stream = await digits.stream_link(ttl_seconds=3600)
        await shred(digits, shredder)
        found = (await digits.ask("ada", "GET", SHRED)).json()
        assert found["state"] == "done"
        assert found["proof"] == {
            "vault-key": "not-found",
            "unwrap-epoch-1": "integrity-error",
            "open-epoch-1": "shredded",
        }
        assert digits.vault.keks == {}
        assert (await digits.follow(stream)).status_code in {403, 410}
        digits.time.advance(6)
        for mode in ("direct", "stream"):
            answer = await digits.links("ada", {"paths": ["a.csv"], "mode": mode})
            assert told(answer) == (404, "shredded")
        for path in ("", "/versions/v1/files", "/keys"):
            assert told(await digits.ask("ada", "GET", f"/v1/{NAME}{path}")) == (404, "shredded")

    async def test_no_new_key_is_made_under_the_old_name(self, digits, shredder):
        await shred(digits, shredder)
        for path in ("keys:rotate", "keys:new-epoch", "keys:retire"):
            assert told(await digits.ask("ada", "POST", f"/v1/{NAME}/{path}")) == (404, "shredded")
        assert told(await digits.ask("ada", "POST", f"/v1/{NAME}/pushes", {})) == (404, "shredded")
        assert digits.vault.keks == {}

    async def test_a_link_given_out_at_the_last_moment_dies_with_it(self, digits, shredder):
        await ask(digits)
        await approve(digits)
        digits.time.advance(DELAY)
        stream = await digits.stream_link()
        await shredder.shred_next()
        digits.time.advance(1)
        assert told(await digits.follow(stream)) == (403, "revoked")

    async def test_it_cannot_be_undone(self, digits, shredder):
        await shred(digits, shredder)
        assert told(await digits.ask("ada", "DELETE", SHRED)) == (404, "shredded")
        resource = await digits.catalog.find_resource(ResourceName.parse(NAME))
        assert not await digits.shreds.withdraw(resource.id)

    async def test_rotating_all_passes_it_over(self, digits, shredder):
        await shred(digits, shredder)
        done = await digits.ask("ada", "POST", "/v1/keys:rotate-due", {"older_than_seconds": 0})
        assert done.json() == {"resources": [], "next": None}

    async def test_who_did_what_is_recorded_with_the_proof(self, digits, shredder):
        await shred(digits, shredder)
        events = [e for e in await digits.events() if "Shred" in e.get("api", {}).get("operation", "")]
        assert [(e["api"]["operation"], e["actor"]["user"]["name"], e["status"]) for e in events] == [
            ("gateway:ShredKey", "ada", "Intended"),
            ("gateway:ShredKey", "ada", "Success"),
            ("gateway:ApproveShred", "ivan", "Intended"),
            ("gateway:ApproveShred", "ivan", "Success"),
            ("gateway:ShredKey", "ada", "Intended"),
            ("gateway:ShredKey", "ada", "Success"),
        ]
        assert events[-1]["unmapped"]["approved_by"] == "people/ivan"
        assert events[-1]["unmapped"]["proof"]["open-epoch-1"] == "shredded"


class TestFailures:
    async def test_vault_away_leaves_it_shut_and_it_goes_on_afterwards(self, digits, shredder):
        await ask(digits)
        await approve(digits)
        digits.time.advance(DELAY)
        digits.vault.failure = VaultUnavailable("away")
        with pytest.raises(VaultUnavailable):
            await shredder.shred_next()
        digits.time.advance(6)
        assert told(await digits.links("ada", {"paths": ["a.csv"], "mode": "direct"})) == (404, "shredded")
        digits.vault.failure = None
        assert not await shredder.shred_next()
        digits.time.advance(60)
        assert await shredder.shred_next()
        assert (await digits.ask("ada", "GET", SHRED)).json()["state"] == "done"

    async def test_the_loop_goes_on_after_a_failure(self, digits, shredder, monkeypatch):
        monkeypatch.setattr("gateway.broker.shredder._LOOK_EVERY_SECONDS", 0.01)
        await ask(digits)
        await approve(digits)
        digits.time.advance(DELAY)
        digits.vault.failure = VaultUnavailable("away")
        running = asyncio.create_task(shredder.run())
        await until(digits, "destroying")
        digits.vault.failure = None
        digits.time.advance(60)
        await until(digits, "done")
        running.cancel()
