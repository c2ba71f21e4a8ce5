"""The express lane answers as FastAPI does: the same requests are sent both ways."""

import json

import httpx
import pytest

from gateway.api.express import Express, Lane

pytestmark = pytest.mark.anyio

LINKS = "/v1/dataset/vision/digits/versions/v1/links"
BATCH = "/v1/links:batch"
CASES = {
    "a link": (LINKS, {"paths": ["a.csv"]}),
    "a stream link": (LINKS, {"paths": ["a.csv"], "mode": "stream", "ttl_seconds": 60}),
    "an unknown file": (LINKS, {"paths": ["missing.csv"]}),
    "a bad path": (LINKS, {"paths": ["../a.csv"]}),
    "no paths": (LINKS, {"paths": []}),
    "too long a life": (LINKS, {"paths": ["a.csv"], "ttl_seconds": 9999}),
    "an unknown mode": (LINKS, {"paths": ["a.csv"], "mode": "magic"}),
    "an unknown field": (LINKS, {"paths": ["a.csv"], "colour": "red"}),
    "a body of another shape": (LINKS, ["a.csv"]),
    "text for a number": (LINKS, {"paths": ["a.csv"], "ttl_seconds": "sixty"}),
    "a bad name": (LINKS.replace("vision", "Vision"), {"paths": ["a.csv"]}),
    "a name that is too long": (LINKS.replace("vision", "v" * 81), {"paths": ["a.csv"]}),
    "an unknown kind": (LINKS.replace("dataset", "table"), {"paths": ["a.csv"]}),
    "a bad reference": (LINKS.replace("v1/links", "v0x/links"), {"paths": ["a.csv"]}),
    "an unknown version": (LINKS.replace("v1/links", "v9/links"), {"paths": ["a.csv"]}),
    "a batch": (BATCH, {"resource": "dataset/vision/digits", "prefix": "a"}),
    "a batch of two selections": (BATCH, {"resource": "dataset/vision/digits", "prefix": "a", "paths": ["b"]}),
    "a batch of nothing": (BATCH, {}),
}


def without_express(app):
    """The application as FastAPI alone serves it."""
    app.user_middleware = [one for one in app.user_middleware if one.cls is not Express]
    app.middleware_stack = None
    return app


async def both(house, path, **sent):
    async with house.as_person("ada") as client:
        quick = await client.post(path, **sent)
        without_express(house.app)
        plain = await client.post(path, **sent)
    return quick, plain


def told(answer: httpx.Response):
    """What an answer says, without what differs from one signature to the next."""
    lines = [json.loads(line) for line in answer.text.splitlines()]
    for line in lines:
        for link in line.get("links", []) if isinstance(line.get("links"), list) else [line]:
            link.pop("url", None)
            link.pop("head_url", None)
    return answer.status_code, answer.headers["content-type"], lines


@pytest.mark.parametrize("case", CASES)
async def test_it_answers_as_fastapi_does(digits, case):
    path, body = CASES[case]
    quick, plain = await both(digits, path, json=body)
    assert told(quick) == told(plain)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{", {"content-type": "application/json"}),
        (b"", {"content-type": "application/json"}),
        (b'{"paths": ["a.csv"]}', {"content-type": "application/json; charset=utf-8"}),
        (b'{"paths": ["a.csv"]}', {"content-type": "text/plain"}),
        (b'{"paths": ["a.csv"]}', {}),
    ],
    ids=["cut", "empty", "charset", "text", "untyped"],
)
async def test_a_body_that_is_no_json_is_refused_alike(digits, content, headers):
    quick, plain = await both(digits, LINKS, content=content, headers=headers)
    assert (quick.status_code, quick.json()["code"] if quick.is_error else "") == (
        plain.status_code,
        plain.json()["code"] if plain.is_error else "",
    )


async def test_nobody_is_refused_alike(digits):
    quick, plain = await both(digits, LINKS, json={"paths": ["a.csv"]}, headers={"authorization": "Basic YTpi"})
    assert told(quick) == told(plain)
    assert quick.status_code == 401
    assert quick.headers["www-authenticate"] == plain.headers["www-authenticate"]


async def test_too_long_a_body_is_refused_alike(digits):
    quick, plain = await both(digits, LINKS, content=b" " * (2 << 20), headers={"content-type": "application/json"})
    assert told(quick) == told(plain)
    assert quick.status_code == 413


async def test_links_are_written_as_they_are_documented(digits):
    answer = await digits.links("ada", {"paths": ["a.csv"]})
    schema = digits.app.openapi()["components"]["schemas"]
    assert set(answer.json()["links"][0]) == set(schema["LinkOut"]["properties"])
    assert set(answer.json()["version"]) == set(schema["VersionOut"]["properties"])


async def test_an_endpoint_that_asks_for_more_is_no_lane():
    async def endpoint(count: int) -> None:
        """Need what only FastAPI reads."""

    with pytest.raises(TypeError, match="count"):
        Express(None, lanes=[Lane(frozenset({"GET"}), None, endpoint)])
