"""What happened is counted under few names, which no caller can choose, and counting costs next to nothing."""

import time

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest

from gateway.api.metrics import Measure, Metrics
from gateway.api.middleware import Envelop
from gateway.api.recorded import Counted

pytestmark = pytest.mark.anyio


@pytest.fixture
def metrics():
    return Metrics()


def shown(metrics, name):
    """The lines of the metrics that begin with the name, as Prometheus reads them."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    return sorted(line for line in lines if line.startswith(name))


@pytest.fixture
async def client(metrics):
    app = FastAPI()
    app.add_middleware(Envelop)
    app.add_middleware(Measure, metrics=metrics)

    @app.get("/v1/{kind}/{name}")
    async def describe(kind: str, name: str) -> str:
        return name

    @app.get("/fails")
    async def fail() -> None:
        raise RuntimeError

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_requests_are_counted_by_route_and_status_never_by_their_words(client, metrics):
    for path in ("/v1/dataset/secret-project", "/v1/model/x", "/nothing/here", "/fails", "/d/secret-token"):
        await client.get(path)
    assert shown(metrics, "gateway_requests_total") == [
        'gateway_requests_total{route="/d/{token}",status="404"} 1.0',
        'gateway_requests_total{route="/fails",status="500"} 1.0',
        'gateway_requests_total{route="/v1/{kind}/{name}",status="200"} 2.0',
        'gateway_requests_total{route="other",status="404"} 1.0',
    ]
    assert 'gateway_request_seconds_count{route="/v1/{kind}/{name}"} 2.0' in shown(metrics, "gateway_request_seconds")
    assert "secret" not in generate_latest(metrics.registry).decode()


class Journal:
    """Takes every event, as a journal on a disk that has room."""

    def __init__(self):
        self.events = []

    async def append(self, event):
        self.events.append(event)
        return "uid"

    async def append_all(self, events):
        self.events += events
        return ["uid"] * len(events)

    async def check(self):
        pass


def decided(*, status=1, allowed=True, **facts):
    return {
        "class_uid": 6003,
        "status_id": status,
        "action": "Allowed" if allowed else "Denied",
        "authorizations": [],
        "api": {"operation": "gateway:ReadFile", **({"response": {"data": facts}} if facts else {})},
    }


async def test_what_is_recorded_is_counted_once(metrics):
    journal = Counted(Journal(), metrics)
    await journal.append(decided(status=99))  # the intent; its completion follows
    await journal.append(decided(mode="direct"))
    await journal.append_all([decided(mode="stream"), decided(mode="stream"), decided(links=1000, mode="direct")])
    await journal.append(decided(status=2, allowed=False))
    await journal.append(decided(status=2))
    await journal.append({"class_uid": 3002, "status_id": 1})
    await journal.append({"class_uid": 3002, "status_id": 2})
    await journal.append({"class_uid": 2004, "status_id": 1})
    await journal.check()
    assert shown(metrics, "gateway_decisions_total") == [
        'gateway_decisions_total{action="gateway:ReadFile",outcome="allow"} 5.0',
        'gateway_decisions_total{action="gateway:ReadFile",outcome="deny"} 1.0',
    ]
    assert shown(metrics, "gateway_failures_total") == ['gateway_failures_total{action="gateway:ReadFile"} 1.0']
    assert shown(metrics, "gateway_links_total") == [
        'gateway_links_total{how="batch"} 1000.0',
        'gateway_links_total{how="direct"} 1.0',
        'gateway_links_total{how="stream"} 2.0',
    ]
    assert shown(metrics, "gateway_logins_total") == [
        'gateway_logins_total{outcome="granted"} 1.0',
        'gateway_logins_total{outcome="refused"} 1.0',
    ]


def test_what_others_count_is_read_when_it_is_asked_for(metrics):
    inside = {("requests",): 1}
    metrics.gauge("inside", "Inside.", ("kind",), lambda: inside)
    metrics.count("shed", "Shed.", ("kind",), lambda: {("requests",): 7})
    assert shown(metrics, "gateway_inside") == ['gateway_inside{kind="requests"} 1.0']
    inside["requests",] = 2
    assert shown(metrics, "gateway_inside") == ['gateway_inside{kind="requests"} 2.0']
    assert 'gateway_shed_total{kind="requests"} 7.0' in shown(metrics, "gateway_shed")


async def test_measuring_costs_less_than_five_microseconds_a_request(metrics):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def send(message):
        pass

    measured = Measure(app, metrics=metrics)

    async def cost(callee):
        began = time.process_time()
        for _ in range(2000):
            await callee({"type": "http", "path": "/d/x"}, None, send)
        return (time.process_time() - began) / 2000

    best = min([await cost(measured) - await cost(app) for _ in range(15)])
    assert best < 5e-6, f"{best * 1e6:.1f} µs"
