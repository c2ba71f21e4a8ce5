"""Events by syslog: RFC 5424 messages over TLS (RFC 5425).

Syslog has no answer that says "received". So each batch has a connection of its own, and counts as sent once the
receiver has answered our close with its own (TLS's close_notify), which it can only do after reading all before it.
"""

import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta

from anyio import to_thread

from gateway.audit.entry import read_time
from gateway.audit.record import Record
from gateway.audit.sinks.target import Batch, Encoder
from gateway.errors import SinkUnavailable

_LOG_AUDIT = 13
"""RFC 5424, table 1."""
_SEVERITIES = {1: 6, 2: 5, 3: 4, 4: 3, 5: 2, 6: 1}
"""OCSF's severity to syslog's: informational to notice, warning, error, critical, alert."""
_NOTICE = 5
_MAX_SEQUENCE = 2**31 - 1
"""RFC 5424, 7.3.1."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A syslog receiver."""

    host: str
    port: int
    tls: ssl.SSLContext
    timeout: timedelta
    closes_well: bool = True
    """Whether it ends TLS as it should. If not, the end of the connection alone is taken for its answer, which a
    receiver that stops half-way can give as well."""


class SyslogTarget:
    """Sends batches to a receiver.

    Args:
        receiver: Where to.
        encode: How an event is written.
    """

    def __init__(self, receiver: Receiver, encode: Encoder) -> None:
        self._receiver = receiver
        self._encode = encode

    async def send(self, batch: Batch) -> None:
        """Send the batch, and wait until it was read. Raises `SinkUnavailable`."""
        frames = b"".join(_frame(message(record, batch.instance, self._encode)) for record in batch.records)
        try:
            await to_thread.run_sync(_send, self._receiver, frames, abandon_on_cancel=True)
        except OSError as error:
            raise SinkUnavailable(f"The receiver did not take them ({type(error).__name__}).") from error

    async def close(self) -> None:
        """Do nothing: no connection stays open."""


def message(record: Record, instance: str, encode: Encoder) -> bytes:
    """Return the record as an RFC 5424 message, whose sequence id is the record's number."""
    event = record.read_event()
    severity = event.get("severity_id")
    priority = _LOG_AUDIT * 8 + (_SEVERITIES.get(severity, _NOTICE) if isinstance(severity, int) else _NOTICE)
    happened = read_time(record)
    when = f"{happened:%Y-%m-%dT%H:%M:%S}.{happened.microsecond // 1000:03d}Z" if happened else "-"
    sequence = (record.seq - 1) % _MAX_SEQUENCE + 1
    about = f'ml-data-gateway - {event.get("class_uid", "-")} [meta sequenceId="{sequence}"]'
    header = f"<{priority}>1 {when} {instance} {about} "
    return header.encode() + encode(record)


def _frame(text: bytes) -> bytes:
    return b"%d %b" % (len(text), text)


def _send(receiver: Receiver, frames: bytes) -> None:
    """Connect, send, and end the connection in good order. Raises OSError (so are TLS's own errors)."""
    timeout = receiver.timeout.total_seconds()
    with (
        socket.create_connection((receiver.host, receiver.port), timeout) as plain,
        receiver.tls.wrap_socket(plain, server_hostname=receiver.host) as connection,
    ):
        connection.sendall(frames)
        try:
            connection.unwrap().close()
        except ssl.SSLEOFError:
            if receiver.closes_well:
                raise
