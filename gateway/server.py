"""Runs the gateway on uvicorn: listens, serves, and on SIGTERM or Ctrl-C finishes what it has begun."""

import asyncio
import errno
import gc
import json
import logging
import math
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import uvicorn
import uvloop
from prometheus_client import start_http_server

from gateway.api.admission import Gate
from gateway.api.metrics import Metrics
from gateway.app import admitting, assemble, create_app
from gateway.errors import InvalidConfiguration, PortInUse
from gateway.keys.memory import protect_process
from gateway.settings import MetricsSettings, Settings, load

log = logging.getLogger(__name__)

_BACKLOG = 2048
_COLLECT_AFTER = (100_000, 50, 100)
"""Containers made and not freed until the youngest are looked at, and how often until the older are."""


class JsonLines(logging.Formatter):
    """Writes each record as one JSON object on a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def run(config: Path, *, json_logs: bool = False) -> None:
    """Serve until a signal comes.

    Raises:
        InvalidConfiguration: a setting is wrong.
        PortInUse: somebody else listens on the port.
        GatewayError: as `gateway.app.assemble`.
    """
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines() if json_logs else plain)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    log.setLevel(logging.INFO)
    protect_process()
    settings = load(config)
    with listening(settings.server.host, settings.server.port) as listener:
        uvloop.run(_serve(settings, listener))


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a listening socket.

    Raises:
        PortInUse: somebody else listens there.
        InvalidConfiguration: we may not, or cannot, listen there.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                hint = "Stop who listens there, or choose another port."
                raise PortInUse(f"Port {port} on {host} is in use.", hint=hint) from error
            raise InvalidConfiguration(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
        yield listener


@contextmanager
def showing(metrics: Metrics, settings: MetricsSettings) -> Iterator[None]:
    """Show the metrics on their own port, if there is one.

    Raises:
        PortInUse: somebody else listens there.
        InvalidConfiguration: we may not, or cannot, listen there.
    """
    if settings.port is None:
        yield
        return
    with listening(settings.host, settings.port):
        pass  # for its errors
    shown, thread = start_http_server(settings.port, settings.host, registry=metrics.registry)
    try:
        yield
    finally:
        shown.shutdown()
        shown.server_close()
        thread.join()


async def _serve(settings: Settings, listener: socket.socket) -> None:
    metrics = Metrics()
    with showing(metrics, settings.metrics):
        await _serve_measured(settings, listener, metrics)


async def _serve_measured(settings: Settings, listener: socket.socket, metrics: Metrics) -> None:
    async with assemble(settings, metrics) as broker, admitting(settings, metrics) as gate:
        for part, fault in (await broker.health.report()).items():
            if fault:
                log.warning("%s is away, and requests that need it are answered 503: %s", part, fault.message)
        proxies = [str(network) for network in settings.server.trusted_proxies]
        config = uvicorn.Config(
            create_app(settings, broker, gate, metrics),
            log_config=None,
            access_log=False,  # a stream link's path is a secret; the journal says who did what
            lifespan="off",
            server_header=False,
            # A forwarded address is the sender's word, unless the sender is a proxy of ours.
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=math.ceil(settings.limits.drain_timeout.total_seconds()),
        )
        _spare_collections()
        log.info("serving %s", settings.server.public_url)
        await _Server(config, gate, settings.limits.drain_delay).serve(sockets=[listener])


def _spare_collections() -> None:
    """Let the cyclic garbage collector look at what requests make alone, and seldom.

    A request makes hundreds of containers, nearly all freed by their reference counts. At the interpreter's own
    thresholds the collector takes half of a link's time to walk through all that was imported, to find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, gate: Gate, delay: timedelta) -> None:
        super().__init__(config)
        self._gate = gate
        self._delay = delay

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; on SIGTERM say so first, for as long as whoever sends us requests needs to send them elsewhere."""
        if sig == signal.SIGTERM and not self._gate.draining and self._delay:
            log.info("stopping in %g s", self._delay.total_seconds())
            self._gate.drain()
            asyncio.get_running_loop().call_later(self._delay.total_seconds(), super().handle_exit, sig, frame)
        else:
            self._gate.drain()
            super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Begin to drain on a signal. Unlike uvicorn's own, it is not raised again: the journal is yet to close."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
