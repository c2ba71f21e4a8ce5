"""What the gateway does and how long it takes, for Prometheus. Names and labels are few and never a caller's words.

Counting is on every request's way, so each count is looked up once and then only added to; what others keep count of
is read when Prometheus asks.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper ends of the histogram's buckets."""

Numbers = Mapping[tuple[str, ...], float]
"""A number for each combination of the labels' values."""
_Counts = tuple[Callable[[float], None], Callable[[float], None]]

_LINKS = "/v1/{kind}/{namespace}/{name}/versions/{ref}/links"
_OTHER = "other"


class Metrics(Collector):
    """All metrics of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._watched: list[tuple[type[CounterMetricFamily | GaugeMetricFamily], str, str, tuple[str, ...]]] = []
        self._reads: list[Callable[[], Numbers]] = []
        self.requests = self._counter("requests", "Requests answered.", "route", "status")
        self.seconds = Histogram(
            "gateway_request_seconds",
            "How long requests took, to the last byte.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.decisions = self._counter("decisions", "Decisions of the policy that were recorded.", "action", "outcome")
        self.failures = self._counter("failures", "Allowed requests that failed, as recorded.", "action")
        self.links = self._counter("links", "Links that were issued, as recorded.", "how")
        self.logins = self._counter("logins", "Tokens asked for, as recorded.", "outcome")
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(self)

    def gauge(self, name: str, meaning: str, labels: tuple[str, ...], read: Callable[[], Numbers]) -> None:
        """Show numbers that go up and down, read whenever Prometheus asks; from another thread."""
        self._watched.append((GaugeMetricFamily, f"gateway_{name}", meaning, labels))
        self._reads.append(read)

    def count(self, name: str, meaning: str, labels: tuple[str, ...], read: Callable[[], Numbers]) -> None:
        """Show numbers that only grow, read whenever Prometheus asks; from another thread."""
        self._watched.append((CounterMetricFamily, f"gateway_{name}", meaning, labels))
        self._reads.append(read)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what is watched may not be there yet when the registry asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield what is watched."""
        for (family, name, meaning, labels), read in zip(self._watched, self._reads, strict=True):
            metric = family(name, meaning, labels=labels)
            for values, number in read().items():
                metric.add_metric(values, number)
            yield metric

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"gateway_{name}", meaning, labels, registry=self.registry)


class Measure:
    """Counts and times each request. Plain ASGI.

    Args:
        app: the application behind.
        metrics: where it is counted.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._known: dict[tuple[str, int], _Counts] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0  # of who went away before there was an answer

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            key = (_route(scope), int(status))
            add, observe = self._known.get(key) or self._meet(key)
            add(1)
            observe(time.perf_counter() - began)

    def _meet(self, key: tuple[str, int]) -> _Counts:
        route, status = key
        counts = (
            self._metrics.requests.labels(route, str(status)).inc,
            self._metrics.seconds.labels(route).observe,
        )
        self._known[key] = counts
        return counts


def _route(scope: Scope) -> str:
    """Return the route's path as it is written in the API's description: a caller's names would be without number."""
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    path: str = scope["path"]
    # The express lanes, which know no routes.
    if path.startswith("/d/"):
        return "/d/{token}"
    if path == "/v1/links:batch":
        return path
    return _LINKS if path.endswith("/links") and "path_params" in scope else _OTHER
