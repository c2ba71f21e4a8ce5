"""Events over HTTPS: to Splunk's HTTP Event Collector, or to any receiver, signed as Standard Webhooks are."""

import base64
import hashlib
import hmac
import json
import ssl
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx

from gateway.audit.entry import read_time
from gateway.audit.record import Record
from gateway.audit.sinks.target import Batch, Encoder
from gateway.clock import Clock
from gateway.errors import EventRefused, InvalidConfiguration, SinkUnavailable

_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Said of the body: to send it again would be to hear it again. Anything else may be put right at the other end."""


class _Https:
    """One URL that takes bodies."""

    def __init__(self, url: str, *, timeout: timedelta, ca_file: Path | None) -> None:
        self._url = url
        self._client = httpx.AsyncClient(
            timeout=timeout.total_seconds(),
            verify=client_tls(ca_file),
            follow_redirects=False,  # the URL is the settings' alone, whatever an answer says
            trust_env=False,
        )

    async def post(self, body: bytes, headers: dict[str, str]) -> None:
        try:
            async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                status = response.status_code  # the rest of the answer is not read, however long it is
        except httpx.HTTPError as error:
            raise SinkUnavailable(f"The receiver does not answer ({type(error).__name__}).") from error
        if status in _REFUSED:
            raise EventRefused(f"The receiver answers {status} to the event.")
        if not httpx.codes.is_success(status):
            raise SinkUnavailable(f"The receiver answers {status}.")

    async def close(self) -> None:
        await self._client.aclose()


class WebhookTarget:
    """Sends batches as NDJSON, each signed with an HMAC over its id, its time and its body (standardwebhooks.com).

    A receiver that has seen a `webhook-id` may drop it; where a batch was cut anew after a failure, events are told by
    their own ids.

    Args:
        url: Where to.
        secret: At least 24 bytes that the receiver knows as well.
        encode: How an event is written.
        clock: The time, which is signed along.
        timeout: The longest silence of the receiver.
        ca_file: Certificates to trust in place of the system's.
    """

    def __init__(  # noqa: PLR0913  # a connection's own settings
        self,
        url: str,
        *,
        secret: bytes,
        encode: Encoder,
        clock: Clock,
        timeout: timedelta,
        ca_file: Path | None = None,
    ) -> None:
        self._https = _Https(url, timeout=timeout, ca_file=ca_file)
        self._secret = secret
        self._encode = encode
        self._clock = clock

    async def send(self, batch: Batch) -> None:
        """Post the batch. Raises `SinkUnavailable`, `EventRefused`."""
        body = b"".join(self._encode(record) + b"\n" for record in batch.records)
        sent_at = str(int(self._clock().timestamp()))
        headers = {
            "content-type": "application/x-ndjson",
            "webhook-id": batch.name,
            "webhook-timestamp": sent_at,
            "webhook-signature": sign(self._secret, batch.name, sent_at, body),
        }
        await self._https.post(body, headers)

    async def close(self) -> None:
        """Close connections."""
        await self._https.close()


class HecTarget:
    """Sends batches to Splunk's HTTP Event Collector (`/services/collector/event`).

    Args:
        url: The collector's endpoint.
        token: The collector's token.
        encode: How an event is written; JSON is sent as an object, anything else as a text.
        sourcetype: What Splunk takes the events for.
        timeout: The longest silence of the collector.
        index: Where to keep them, if not in the token's own index.
        ca_file: Certificates to trust in place of the system's.
    """

    def __init__(  # noqa: PLR0913  # the same
        self,
        url: str,
        *,
        token: str,
        encode: Encoder,
        timeout: timedelta,
        sourcetype: str = "ocsf:json",
        index: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._https = _Https(url, timeout=timeout, ca_file=ca_file)
        self._token = token
        self._encode = encode
        self._sourcetype = sourcetype
        self._index = index

    async def send(self, batch: Batch) -> None:
        """Post the batch. Raises `SinkUnavailable`, `EventRefused`."""
        body = b"".join(self._wrap(batch.instance, record) for record in batch.records)
        headers = {"authorization": f"Splunk {self._token}", "content-type": "application/json"}
        await self._https.post(body, headers)

    def _wrap(self, instance: str, record: Record) -> bytes:
        event = self._encode(record)
        about = {"host": instance, "source": "ml-data-gateway", "sourcetype": self._sourcetype}
        if happened := read_time(record):
            about["time"] = f"{happened.timestamp():.3f}"
        if self._index:
            about["index"] = self._index
        shown = event if event.startswith(b"{") else json.dumps(event.decode()).encode()
        return json.dumps(about).encode()[:-1] + b',"event":' + shown + b"}"

    async def close(self) -> None:
        """Close connections."""
        await self._https.close()


def sign(secret: bytes, name: str, sent_at: str, body: bytes) -> str:
    """Return the signature of a webhook: `v1,` and the HMAC-SHA256 of id, time and body, in Base64.

    >>> sign(b"k" * 24, "gateway-1-1-2", "1767225600", b"{}")
    'v1,uGSBvcY5/QnNibEuRf/of2kDM5SVhT/FOudEk5HPQ2M='
    """
    signed = b".".join((name.encode(), sent_at.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def client_tls(ca_file: Path | None) -> ssl.SSLContext:
    """Return what verifies a server by its name, from TLS 1.2 on.

    Raises:
        InvalidConfiguration: the certificates cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise InvalidConfiguration(f"The certificates in {ca_file} cannot be read.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
