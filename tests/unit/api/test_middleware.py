"""Every answer has an id and the security headers, and no body goes over its limit."""

import re

import httpx
import pytest
from fastapi import FastAPI, Request

from gateway.api import problems
from gateway.api.middleware import SECURITY_HEADERS, BoundBody, Envelop
from gateway.errors import DiskFull, TokenExpired, UnknownTag, VaultUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client():
    app = FastAPI()
    app.state.public_url = "http://gateway"
    problems.install(app)
    app.add_middleware(BoundBody, limit=100, long_limit=1000, long_path=re.compile("/x/commit"))
    app.add_middleware(Envelop)

    @app.post("/json")
    async def take_json(body: dict[str, int]) -> dict[str, int]:
        return body

    @app.post("/x/commit")
    async def take_stream(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @app.post("/x/tags/commit")
    async def take_other(body: dict[str, int]) -> dict[str, int]:
        return body

    @app.get("/fails/{code}")
    async def fail(code: str) -> None:
        raise {"tag": UnknownTag, "vault": VaultUnavailable, "token": TokenExpired, "disk": DiskFull}[code]("Why.")

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def chunks(*sizes):
    for size in sizes:
        yield b" " * size


async def test_a_body_over_the_limit_is_refused_by_its_announced_length(client):
    response = await client.post("/json", content=b" " * 101)
    assert response.status_code == 413
    assert response.json()["code"] == "too-large"
    assert "100 bytes" in response.json()["detail"]


async def test_a_body_over_the_limit_is_refused_as_it_arrives(client):
    response = await client.post("/json", content=chunks(60, 60))
    assert response.status_code == 413
    assert response.json()["code"] == "too-large"


async def test_a_malformed_length_is_refused(client):
    response = await client.post("/json", content=b"{}", headers={"content-length": "0x2"})
    assert response.status_code == 413


async def test_a_body_within_the_limit_passes(client):
    assert (await client.post("/json", json={"a": 1})).json() == {"a": 1}


async def test_only_the_long_route_has_the_long_limit(client):
    assert (await client.post("/x/commit", content=chunks(500, 500))).json() == 1000
    assert (await client.post("/x/commit", content=chunks(500, 501))).status_code == 413


async def test_no_other_route_has_it_whatever_its_path_ends_with(client):
    assert (await client.post("/x/tags/commit", content=chunks(60, 60))).status_code == 413
    assert (await client.post("/x/tags/commit", content=b" " * 101)).status_code == 413


@pytest.mark.parametrize("length", ["1" * 19, "1" * 5000, "-1", "+1", "1_0", ""])
async def test_no_length_is_read_that_is_none(client, length):
    assert (await client.post("/json", content=b"{}", headers={"content-length": length})).status_code == 413


async def test_every_answer_has_the_security_headers_and_an_id(client):
    for response in (
        await client.get("/nothing"),
        await client.get("/fails/disk"),
        await client.post("/json", json={}),
    ):
        assert SECURITY_HEADERS.items() <= dict(response.headers).items()
        assert len(response.headers["x-request-id"]) == 16


@pytest.mark.parametrize(("sent", "kept"), [("job-17.a", True), ("a b", False), ("x" * 65, False), ("é", False)])
async def test_a_plain_request_id_is_kept(client, sent, kept):
    response = await client.get("/fails/tag", headers={"x-request-id": sent.encode()})
    assert (response.headers["x-request-id"] == sent) is kept
    assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("code", "status", "header"),
    [("tag", 404, None), ("vault", 503, "retry-after"), ("token", 401, "www-authenticate"), ("disk", 500, None)],
)
async def test_an_error_is_a_problem_with_its_status(client, code, status, header):
    response = await client.get(f"/fails/{code}")
    assert response.status_code == status
    assert response.headers["content-type"] == problems.MEDIA_TYPE
    assert header is None or header in response.headers


async def test_an_unexpected_failure_tells_nothing(client, caplog):
    response = await client.get("/fails/other")
    assert response.status_code == 500
    assert response.json()["code"] == "internal-error"
    assert "KeyError" not in response.text
    assert response.headers["x-request-id"] in caplog.text


async def test_an_invalid_request_is_told_where_but_not_what(client):
    response = await client.post("/json", json={"a": "a-secret"})
    assert response.status_code == 422
    assert response.json()["code"] == "invalid-input"
    assert "body.a" in response.json()["detail"]
    assert "a-secret" not in response.text
