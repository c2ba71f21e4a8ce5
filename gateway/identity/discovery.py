"""Fetches an issuer's key set: OpenID Connect Discovery 1.0, from the settings' address, bounded, never redirected."""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import anyio
import httpx
from joserfc.jwk import Key

from gateway.errors import InvalidConfiguration, IssuerUnavailable
from gateway.identity.encoding import read_object
from gateway.identity.keyset import read_key_set

MAX_DOCUMENT_BYTES = 256 * 1024
TIMEOUT = timedelta(seconds=5)
"""For one document, whole: an issuer that sends a byte a second is away as well."""

_PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Uncompressed, so that the bound on bytes bounds memory as well."""


def check_address(url: str, *, what: str, development: bool) -> str:
    """Return `url` if we may fetch it: HTTPS, or plain HTTP on loopback in development.

    >>> check_address("https://login.example.org", what="issuer", development=False)
    'https://login.example.org'

    Raises:
        InvalidConfiguration: we may not.
    """
    if not is_fetchable(url, development=development):
        raise InvalidConfiguration(
            f"The {what} {url[:200]!r} is no HTTPS address without user, query and fragment.",
            hint="Plain HTTP is for `gateway dev` alone, and there for loopback.",
        )
    return url


def is_fetchable(url: str, *, development: bool) -> bool:
    """Tell whether `url` is one that we would ever fetch."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.query or parts.fragment or not url.isascii():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and development and _is_loopback(host))


class KeyDiscovery:
    """One issuer's keys, by way of its discovery document."""

    def __init__(self, issuer: str, client: httpx.AsyncClient, *, development: bool) -> None:
        self._issuer = check_address(issuer, what="issuer", development=development)
        self._client = client
        self._development = development

    async def fetch(self) -> tuple[Key, ...]:
        """Return the issuer's present keys.

        Raises:
            IssuerUnavailable: it does not answer, or not as Discovery has it.
        """
        # OpenID Connect Discovery 1.0, 4.1: the well-known path is appended to the issuer.
        metadata = await self._get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        address = self._check_metadata(metadata)
        try:
            return read_key_set(await self._get(address))
        except ValueError as error:
            raise self._unavailable(f"its key set is refused: {error}") from error

    def _check_metadata(self, metadata: Mapping[str, object]) -> str:
        # Discovery 4.3: the document's issuer must be the very one that was asked.
        if metadata.get("issuer") != self._issuer:
            raise self._unavailable(f"its discovery document names the issuer {str(metadata.get('issuer'))[:200]!r}")
        address = metadata.get("jwks_uri")
        if not isinstance(address, str) or not is_fetchable(address, development=self._development):
            raise self._unavailable("its jwks_uri is no HTTPS address")
        return address

    async def _get(self, url: str) -> dict[str, object]:
        try:
            with anyio.fail_after(TIMEOUT.total_seconds()):
                return read_object(await self._read(url))
        except TimeoutError:
            raise self._unavailable(f"it did not answer within {TIMEOUT.total_seconds():g} s") from None
        except httpx.HTTPError as error:
            raise self._unavailable(type(error).__name__) from error
        except ValueError as error:
            raise self._unavailable(f"its answer is refused: {error}") from error

    async def _read(self, url: str) -> bytes:
        body = bytearray()
        async with self._client.stream("GET", url, headers=_PLAIN, follow_redirects=False) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("it is compressed, which we did not ask for")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise ValueError(f"it is longer than {MAX_DOCUMENT_BYTES:,} bytes")
        return bytes(body)

    def _unavailable(self, reason: str) -> IssuerUnavailable:
        return IssuerUnavailable(
            f"The issuer {self._issuer} cannot be asked for its keys: {reason}.",
            hint="Check that the issuer is up, and that the gateway can reach it.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
