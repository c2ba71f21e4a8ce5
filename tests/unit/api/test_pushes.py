"""Pushes of objects that are uploaded in parts, and pushes that ran out of time; refusals first."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway import envelope
from gateway.api.schemas.wire import MAX_FILE_BYTES
from gateway.broker.access import Guard
from gateway.broker.publish import MAX_PARTS, PART_BYTES, Publish

pytestmark = pytest.mark.anyio

NAME = "/v1/dataset/vision/scans"
LONG = 2 * PART_BYTES
"""Plaintext bytes of an object in three parts: its ciphertext is a little longer."""


@pytest.fixture
def publishing(house):
    """A gateway that publishes."""
    guard = Guard(house.policy, house.journal, house.time)
    publish = Publish(
        guard,
        house.catalog,
        house.objects,
        house.signer,
        house.keys,
        house.pages_of,
        house.time,
        link_ttl=timedelta(hours=1),
    )
    house.app.state.broker = replace(house.app.state.broker, publish=publish)
    return house


@pytest.fixture
async def push(publishing):
    """The path of an open push of ada's."""
    answer = await publishing.ask("ada", "POST", f"{NAME}/pushes", {})
    assert answer.status_code == 201, answer.text
    return f"{NAME}/pushes/{answer.json()['push_id']}"


async def refused(house, method, path, body=None):
    answer = await house.ask("ada", method, path, body)
    return answer.status_code, answer.json()["code"]


async def reserve(house, push, *sizes):
    answer = await house.ask("ada", "POST", f"{push}/objects", {"sizes": sizes})
    assert answer.status_code == 200, answer.text
    return answer.json()["objects"]


async def test_a_file_of_more_parts_than_s3_takes_is_refused(publishing, push):
    for size in (MAX_PARTS * PART_BYTES, MAX_FILE_BYTES):
        assert await refused(publishing, "POST", f"{push}/objects", {"sizes": [1, size]}) == (413, "too-large")
    assert (await publishing.codes())[-1] == "too-large"


async def test_parts_are_of_objects_that_have_parts(publishing, push):
    await reserve(publishing, push, 10)
    for number in (0, 1):
        parts = f"{push}/objects/{number}/parts"
        assert await refused(publishing, "POST", parts, {"size": 10, "parts": [1]}) == (404, "unknown-push")


async def test_a_part_beyond_the_last_is_refused(publishing, push):
    await reserve(publishing, push, LONG)
    body = {"size": LONG, "parts": [3, 4]}
    assert await refused(publishing, "POST", f"{push}/objects/0/parts", body) == (400, "invalid-input")


async def test_an_object_is_joined_only_when_all_its_parts_are_there(publishing, push):
    await reserve(publishing, push, LONG)
    done = f"{push}/objects/0/complete"
    assert await refused(publishing, "POST", done, {"etags": ['"none"']}) == (409, "incomplete-upload")
    assert (await publishing.codes())[-1] == "incomplete-upload"


async def test_a_push_ends_in_a_day(publishing, push, time):
    time.advance(24 * 3600)
    assert await refused(publishing, "POST", f"{push}/objects", {"sizes": [1]}) == (409, "push-closed")


async def test_each_part_has_a_link_for_its_own_length(publishing, push):
    (slot,) = await reserve(publishing, push, LONG)
    assert (slot["parts"], slot["upload"]) == (3, None)
    body = {"size": LONG, "parts": [1, 2, 3]}
    links = (await publishing.ask("ada", "POST", f"{push}/objects/0/parts", body)).json()["links"]
    assert [link["size"] for link in links] == [PART_BYTES, PART_BYTES, envelope.ciphertext_size(LONG) - LONG]
    assert len({link["url"] for link in links}) == 3
    assert [link["headers"]["content-length"] for link in links] == [str(link["size"]) for link in links]


async def test_an_aborted_push_leaves_no_parts_behind(publishing, push):
    await reserve(publishing, push, LONG, LONG)
    assert len(publishing.objects._uploads) == 2
    assert (await publishing.ask("ada", "DELETE", push)).status_code == 204
    assert publishing.objects._uploads == {}
    assert await refused(publishing, "POST", f"{push}/objects", {"sizes": [1]}) == (409, "push-closed")
