"""All sinks of an instance: made from the settings, run side by side, each on its own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.audit.parquet import require_duckdb
from gateway.audit.sinks.archive import ArchiveTarget
from gateway.audit.sinks.cursor import Cursor
from gateway.audit.sinks.delivery import Delivery, Pace, Source, Standing
from gateway.audit.sinks.files import FileTarget, StdoutTarget
from gateway.audit.sinks.formats import FORMATS
from gateway.audit.sinks.syslog import Receiver, SyslogTarget
from gateway.audit.sinks.target import Target
from gateway.audit.sinks.webhook import HecTarget, WebhookTarget, client_tls
from gateway.clock import Clock
from gateway.errors import InvalidConfiguration
from gateway.ports import ObjectStore
from gateway.settings import (
    ArchiveSinkSettings,
    FileSinkSettings,
    HecSinkSettings,
    SinkSettings,
    StdoutSinkSettings,
    SyslogSinkSettings,
    WebhookSinkSettings,
)

DETECTION = "detection"
"""Reads the journal as sinks do, and its name is taken."""
_LEAST_SECRET_BYTES = 24
"""As Standard Webhooks asks."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What sinks are made with."""

    journal: Source
    objects: ObjectStore
    clock: Clock
    folder: Path
    """Where the cursors of this journal are."""


class Sinks:
    """Runs deliveries from `async with` on, until its end.

    Args:
        deliveries: One for each sink.
    """

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._running = [asyncio.create_task(one.run(), name=f"sink {one.name}") for one in self._deliveries]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def standings(self) -> list[Standing]:
        """Return how each sink is doing. Raises `JournalUnavailable`."""
        return [await one.standing() for one in self._deliveries]


def deliveries_of(settings: Sequence[SinkSettings], outside: Outside) -> list[Delivery]:
    """Return a delivery for each sink of the settings.

    Raises:
        InvalidConfiguration: two have one name, a secret cannot be read, or DuckDB is needed and not installed.
        SinkUnavailable: a cursor cannot be read.
    """
    names = [DETECTION, *(one.name for one in settings)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidConfiguration(f"Two sinks have the name {twice[0]!r}.", hint="Each has a cursor of its own.")
    return [
        Delivery(
            one.name,
            outside.journal,
            target_of(one, outside),
            Cursor(outside.folder, one.name),
            clock=outside.clock,
            pace=_pace(one),
        )
        for one in settings
    ]


def target_of(sink: SinkSettings, outside: Outside) -> Target:
    """Return what a sink's settings describe.

    Raises:
        InvalidConfiguration: a secret or a certificate cannot be read, or DuckDB is needed and not installed.
    """
    encode = FORMATS[sink.format]
    match sink:
        case FileSinkSettings():
            return FileTarget(sink.path, encode)
        case StdoutSinkSettings():
            return StdoutTarget(encode)
        case WebhookSinkSettings():
            return WebhookTarget(
                sink.url,
                secret=_webhook_secret(sink.secret_file),
                encode=encode,
                clock=outside.clock,
                timeout=sink.timeout,
                ca_file=sink.ca_file,
            )
        case HecSinkSettings():
            return HecTarget(
                sink.url,
                token=_secret(sink.token_file).decode(),
                encode=encode,
                timeout=sink.timeout,
                sourcetype="cef" if sink.format == "cef" else f"{sink.format}:json",
                index=sink.index,
                ca_file=sink.ca_file,
            )
        case SyslogSinkSettings():
            tls = client_tls(sink.ca_file)
            return SyslogTarget(Receiver(sink.host, sink.port, tls, sink.timeout, closes_well=sink.closes_well), encode)
        case _:
            require_duckdb()
            return ArchiveTarget(outside.objects)


def _pace(sink: SinkSettings) -> Pace:
    linger = sink.linger if isinstance(sink, ArchiveSinkSettings) else timedelta(0)
    return Pace(batch=sink.batch, linger=linger, patience=sink.timeout)


def _webhook_secret(file: Path) -> bytes:
    secret = _secret(file)
    if len(secret) < _LEAST_SECRET_BYTES:
        raise InvalidConfiguration(f"The secret in {file} has fewer than {_LEAST_SECRET_BYTES} bytes.")
    return secret


def _secret(file: Path) -> bytes:
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise InvalidConfiguration(f"The secret in {file} cannot be read.") from error
    if not secret.isascii() or not secret:
        raise InvalidConfiguration(f"The secret in {file} is empty, or not ASCII.")
    return secret
