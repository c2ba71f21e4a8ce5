"""A path has one spelling, and no answer sends anybody to an address that the request made up."""

import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/healthz/", "//healthz", "/v1/resources/", "/v1/dataset/vision/digits/", "/HEALTHZ"])
async def test_another_spelling_of_a_path_is_no_path(house, path):
    async with house.as_person("ada") as client:
        answer = await client.get(f"https://gateway.example.org{path}", headers={"host": "evil.example.org"})
    assert answer.status_code == 404
    assert "location" not in answer.headers


@pytest.mark.parametrize("name", ["digits%2Fv1", "digits%00", "..", "%2e%2e", "Digits", "digits%20", "dig%C3%ADts"])
@pytest.mark.parametrize("suffix", ["", "/versions/v1/files"])
async def test_a_name_is_decoded_once_and_then_as_we_write_names(digits, name, suffix):
    async with digits.as_person("ada") as client:
        answer = await client.get(f"/v1/dataset/vision/{name}{suffix}")
    assert answer.status_code in {400, 404, 422}
    assert answer.json()["code"] in {"invalid-name", "not-found", "invalid-input"}


async def test_a_name_in_percent_encoding_is_the_name(digits):
    answer = await digits.links("ada", {"paths": ["a.csv"]}, resource="dataset/vision/%64igits")
    assert answer.status_code == 200
    assert {event["resources"][0]["uid"] for event in (await digits.events())[1:] if "resources" in event} == {
        "dataset/vision/digits/v1/a.csv"
    }
