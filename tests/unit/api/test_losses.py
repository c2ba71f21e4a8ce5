"""What S3 lost or changed behind our back is called damage, never nothing, and no key of the bucket is told."""

import pytest

pytestmark = pytest.mark.anyio


async def keys_below(house, part):
    return [item.key async for item in house.objects.list("r/") if part in item.key]


@pytest.fixture
async def pages(digits):
    (key,) = await keys_below(digits, "/p/")
    return key


@pytest.mark.parametrize("change", ["lost", "epoch", "cut", "empty", "flipped"])
async def test_a_damaged_manifest_lists_no_file_and_gives_no_link(digits, pages, change):
    stored = digits.objects._objects.pop(pages)
    changed = {
        "epoch": b"\xff\xff\xff\xff" + stored[4:],
        "cut": stored[:-1],
        "empty": b"",
        "flipped": stored[:-1] + bytes([stored[-1] ^ 1]),
    }
    if change in changed:
        await digits.objects.put(pages, changed[change])
    for answer in (
        await digits.ask("ada", "GET", "/v1/dataset/vision/digits/versions/v1/files"),
        await digits.links("ada", {"paths": ["a.csv"]}),
    ):
        assert answer.status_code == 502
        assert "r/" not in answer.json()["detail"]


async def test_a_lost_object_is_damage_to_whoever_follows_its_link(digits):
    url = await digits.stream_link()
    for key in await keys_below(digits, "/o/"):
        digits.objects._objects.pop(key)
    answer = await digits.follow(url)
    assert (answer.status_code, answer.json()["code"]) == (502, "integrity-error")
    assert "r/" not in answer.json()["detail"]
    assert (await digits.codes())[-1] == "integrity-error"
