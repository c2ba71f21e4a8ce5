"""Asks instances whether they know a key, by what it made: expired from the start, so that it never opens anything.

An instance that knows the key says that the thing has expired; one that does not says that it knows no such key.
"""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx

from gateway.errors import GatewayUnavailable, IntegrityError, SecretStillGood
from gateway.links.claims import StreamGrant
from gateway.links.stream import LinkKey, StreamLinks
from gateway.model import FileEntry, Principal, PrincipalKind, ResourceName, Secret

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_NOBODY = Principal(issuer="rotation", subject="rotation", kind=PrincipalKind.WORKLOAD, name="rotation")
_NOTHING = FileEntry(path="none", size=0, sha256="0" * 64, object_id="none", epoch=0, key_check="0" * 32)
_RESOURCE = ResourceName.parse("dataset/rotation/none")
_KNOWN, _UNKNOWN = frozenset({"token-expired", "link-expired"}), frozenset({"unknown-signing-key", "link-refused"})


def expired_link(secret: bytes) -> str:
    """Return the token of a stream link that was sealed with this secret, for nothing, and has expired long ago."""
    links = StreamLinks([LinkKey(secret)], base_url="", clock=lambda: _LONG_AGO)
    grant = StreamGrant(_NOBODY, "0" * 32, _RESOURCE, 1, _NOTHING)
    return links.issue(grant, expires_in=timedelta(seconds=1)).url.rpartition("/")[2]


def expired_token(key_id: str, public_url: str) -> str:
    """Return a gateway token for nobody that has expired long ago, but for its signature: header and claims."""
    header = {"typ": "at+jwt", "alg": "ES256", "kid": key_id}
    claims = {"iss": public_url, "aud": public_url, "sub": "rotation:rotation", "iat": 0, "exp": 1, "jti": "rotation"}
    return ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))


class Probes:
    """Instances that can be asked.

    Args:
        addresses: Where they are; one that stands for all of them, if there is no other.
        http: Asks.
    """

    def __init__(self, addresses: Sequence[str], http: httpx.AsyncClient) -> None:
        self._addresses = addresses
        self._http = http

    async def expect_link(self, token: str, *, known: bool) -> None:
        """Return if every address knows the key that sealed this link, or none does.

        Raises:
            SecretStillGood: one knows it, and should not.
            IntegrityError: one does not know it, and should.
            GatewayUnavailable: one does not answer, or not so.
        """
        for address in self._addresses:
            _judge(Secret.LINK_KEY, address, await self._code(f"{address}/d/{token}", {}), known=known)

    async def expect_token(self, token: str, *, known: bool) -> None:
        """Return if every address knows the key that signed this token, or none does. Raises as `expect_link`."""
        for address in self._addresses:
            headers = {"Authorization": f"Bearer {token}"}
            _judge(Secret.TOKEN_KEY, address, await self._code(f"{address}/v1/whoami", headers), known=known)

    async def _code(self, url: str, headers: dict[str, str]) -> str:
        try:
            answer = await self._http.get(url, headers=headers)
            return str(answer.json()["code"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return ""


def _judge(secret: Secret, address: str, code: str, *, known: bool) -> None:
    if code not in _KNOWN | _UNKNOWN:
        raise GatewayUnavailable(
            f"The gateway at {address} did not say whether it knows the {secret}.",
            hint="See if it answers; name its instances in rotation.probes.",
        )
    if (code in _KNOWN) is known:
        return
    if known:
        raise IntegrityError(f"The gateway at {address} does not know the new {secret}.")
    raise SecretStillGood(f"The gateway at {address} still takes what the old {secret} made.")


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
