"""What is too much or too often is refused at once, and said when to come again; what is under way is finished."""

import time
from datetime import UTC, datetime, timedelta

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request

from gateway.api import problems
from gateway.api.admission import Admit, Gate
from gateway.api.middleware import Envelop
from gateway.api.rates import Rates
from gateway.model import Principal, PrincipalKind
from gateway.state.tallies import Tallies

pytestmark = pytest.mark.anyio

ADA = Principal("people", "1", PrincipalKind.USER, "ada")
NOW = datetime(2030, 1, 1, 0, 0, 3, tzinfo=UTC)


def gate(*, principal=0, network=0, requests=10, streams=10):
    tally = Tallies(lambda: NOW, window=timedelta(seconds=10), monotonic=lambda: 0.0)
    return Gate(Rates(tally, principal=principal, network=network), requests=requests, streams=streams)


@pytest.fixture
async def serve():
    """Makes a client of an application behind a gate, at an address. Paths with `wait` wait for `leave`."""
    clients = []

    def make(gate, address="192.0.2.7"):
        app = FastAPI()
        app.state.gate = gate
        app.state.leave = anyio.Event()
        app.state.arrived = 0
        problems.install(app)
        app.add_middleware(Admit, gate=gate, streams_below="/d/")
        app.add_middleware(Envelop)

        async def wait(request: Request) -> str:
            app.state.arrived += 1
            await app.state.leave.wait()
            return "done"

        async def ask(request: Request) -> str:
            gate.rates.count_principal(request.scope, ADA)
            return "done"

        app.get("/wait")(wait)
        app.get("/d/wait")(wait)
        for path in ("/ask", "/healthz", "/readyz"):
            app.get(path)(ask)
        transport = httpx.ASGITransport(app=app, client=(address, 1))
        client = httpx.AsyncClient(transport=transport, base_url="http://gateway")
        client.app = app
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


class TestRates:
    async def test_a_principal_that_asks_too_often_is_refused_and_told_when_to_come_again(self, serve):
        client = serve(gate(principal=2))
        answers = [await client.get("/ask") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["ratelimit"] for answer in answers] == [
            '"principal";r=1;t=7',
            '"principal";r=0;t=7',
            '"principal";r=0;t=7',
        ]
        assert answers[2].headers["ratelimit-policy"] == '"principal";q=2;w=10'
        assert answers[2].headers["retry-after"] == "7"
        assert answers[2].json()["code"] == "too-many-requests"
        assert "links:batch" in answers[2].json()["hint"]

    async def test_a_network_that_asks_too_often_is_refused_before_anything_is_done(self, serve):
        limits = gate(principal=5, network=1)
        client, neighbour, other = (serve(limits, at) for at in ("2001:db8::1", "2001:db8::2", "2001:db8:1::1"))
        limits.rates.count_principal({}, ADA)
        assert (await client.get("/ask")).status_code == 200
        refused = await neighbour.get("/ask")
        assert refused.status_code == 429
        assert refused.headers["ratelimit"] == '"network";r=0;t=7'
        assert (await other.get("/ask")).headers["ratelimit"] == '"principal";r=2;t=7'

    async def test_without_limits_there_are_no_headers(self, serve):
        answer = await serve(gate()).get("/ask")
        assert answer.status_code == 200
        assert not {name for name in answer.headers if name.startswith("ratelimit")}


class TestShedding:
    @pytest.mark.parametrize(("path", "other"), [("/wait", "/d/wait"), ("/d/wait", "/wait")])
    async def test_more_than_can_be_served_at_once_is_sent_away_in_time(self, serve, path, other):
        limits = gate(requests=2, streams=2)
        client = serve(limits)
        answers = []

        async def ask(path):
            answers.append((path, (await client.get(path)).status_code))

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(ask, path)
            await anyio.wait_all_tasks_blocked()
            refused = await client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert refused.headers["retry-after"] in {"1", "2", "3"}
            assert (await client.get("/healthz")).status_code == 200
            group.start_soon(ask, other)  # downloads and requests do not take each other's place
            await anyio.wait_all_tasks_blocked()
            client.app.state.leave.set()
        assert sorted(answers) == sorted([(path, 200), (path, 200), (other, 200)])
        assert limits.inside == {"requests": 0, "streams": 0}
        assert sum(limits.shed.values()) == 1

    async def test_who_leaves_makes_room(self, serve):
        limits = gate(requests=1)
        client = serve(limits)
        with anyio.move_on_after(0.05):
            await client.get("/wait")
        assert limits.inside["requests"] == 0


class TestDraining:
    async def test_before_it_stops_it_is_not_ready_and_serves_what_comes(self, serve):
        limits = gate()
        client = serve(limits)
        assert (await client.get("/readyz")).status_code == 200
        assert "connection" not in (await client.get("/ask")).headers
        limits.drain()
        refused = await client.get("/readyz")
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/ask")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_the_gate_costs_less_than_five_microseconds_a_request():
    """Of the processor's time, beside the same call without a gate; the best of some, as other work runs here too."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def send(message):
        pass

    limits = gate(principal=10**9, network=10**9)
    gated = Admit(app, gate=limits, streams_below="/d/")
    request = {"type": "http", "path": "/v1/x", "client": ("192.0.2.7", 1)}

    async def cost(callee):
        began = time.process_time()
        for _ in range(2000):
            await callee(dict(request), None, send)
        return (time.process_time() - began) / 2000

    best = min([await cost(gated) - await cost(app) for _ in range(15)])
    assert best < 5e-6, f"{best * 1e6:.1f} µs"
