"""What others keep count of, and what has to be asked for now and then, as metrics."""

import asyncio
import logging
from collections.abc import Mapping

from gateway.api.admission import Gate
from gateway.api.metrics import Metrics, Numbers
from gateway.audit.sinks.fleet import Sinks
from gateway.broker.health import Health
from gateway.errors import GatewayError, VaultCircuitOpen
from gateway.keys.datakeys import DataKeys
from gateway.state.announcements import Announcements
from gateway.state.engine import Database

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


def watch_gate(metrics: Metrics, gate: Gate) -> None:
    """Show how much is inside, and what was sent away."""
    metrics.gauge("requests_inside", "Requests being served.", ("kind",), lambda: _one_label(gate.inside))
    metrics.gauge("requests_most", "Requests that may be served at once.", ("kind",), lambda: _one_label(gate.most))
    metrics.count("requests_shed", "Requests sent away, as too many.", ("kind",), lambda: _one_label(gate.shed))
    metrics.count("requests_limited", "Requests over a rate limit.", ("by",), lambda: _one_label(gate.rates.refused))
    metrics.gauge("draining", "Whether the gateway is about to stop.", (), lambda: {(): gate.draining})


def watch_parts(
    metrics: Metrics,
    database: Database,
    announcements: Announcements | None,
    keys: DataKeys,
    health: Health,
    sinks: Sinks,
) -> asyncio.Task[None]:
    """Show how the parts are and are used; return the task that asks them, to be cancelled at the end."""
    metrics.gauge(
        "database_connections", "Connections to the database.", ("state",), lambda: _one_label(database.connections())
    )
    metrics.count(
        "key_cache", "Data keys that were asked for, and found or not.", ("result",), lambda: _one_label(keys.asked())
    )
    if announcements is not None:
        metrics.gauge("redis_connected", "Whether Redis is there.", (), lambda: {(): announcements.connected})
    return asyncio.create_task(Sampled(metrics, health, sinks).run())


class Sampled:
    """Asks parts and sinks how they are, every five seconds, and the event loop how late it is."""

    def __init__(self, metrics: Metrics, health: Health, sinks: Sinks) -> None:
        self._health = health
        self._sinks = sinks
        self._up: Numbers = {}
        self._circuits: Numbers = {}
        self._waiting: Numbers = {}
        self._lag: Numbers = {}
        self._dead: Numbers = {}
        self._late = 0.0
        metrics.gauge("part_up", "Whether a part that we need answers.", ("part",), lambda: self._up)
        metrics.gauge("circuit_open", "Whether a part is left alone for now.", ("part",), lambda: self._circuits)
        metrics.gauge("sink_waiting_events", "Events that a sink is behind.", ("sink",), lambda: self._waiting)
        metrics.gauge("sink_lag_seconds", "How long its oldest event waits.", ("sink",), lambda: self._lag)
        metrics.gauge("sink_dead_events", "Events that a sink refused for good.", ("sink",), lambda: self._dead)
        metrics.gauge("event_loop_late_seconds", "How late the event loop was.", (), lambda: {(): self._late})

    async def run(self) -> None:
        """Ask, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self.ask()
            due = loop.time() + EVERY_SECONDS
            await asyncio.sleep(EVERY_SECONDS)
            self._late = max(0.0, loop.time() - due)

    async def ask(self) -> None:
        """Ask once."""
        report = await self._health.report()
        self._up = {(part,): fault is None for part, fault in report.items()}
        self._circuits = {("vault",): isinstance(report.get("vault"), VaultCircuitOpen)}
        try:
            standings = await self._sinks.standings()
        except GatewayError as error:
            log.warning("the sinks' standing is not known: %s", error.message)
            return
        self._waiting = {(one.name,): one.waiting for one in standings}
        self._lag = {(one.name,): one.lag_seconds for one in standings}
        self._dead = {(one.name,): one.dead for one in standings}


def _one_label(numbers: Mapping[str, float]) -> Numbers:
    return {(name,): number for name, number in numbers.items()}
