"""Stream links: `/d/<token>`, where the token is the whole grant, sealed. Altered or expired, it opens nothing.

Tokens are sealed with AES-SIV (RFC 5297): it encrypts and authenticates, needs no nonce that could repeat, and makes
exactly one ciphertext of one text. FORMAT.md beside this module is the specification.
"""

import base64
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.clock import Clock
from gateway.errors import InvalidConfiguration, InvalidInput, LinkExpired, LinkRefused, TooLarge
from gateway.links.claims import StreamClaims, StreamGrant
from gateway.model import Link, LinkMode

MAX_TOKEN_CHARS = 4096
MIN_TTL = timedelta(seconds=1)
MAX_TTL = timedelta(days=7)

_VERSION: Final = b"\x01"
_SECRET_BYTES = 32
_KEY_ID_BYTES = 4
_SIV_KEY_BYTES = 64
_TOKEN_ID_BYTES = 16
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_TOKEN_CHARS}}}")


class LinkKey:
    """A secret that seals stream links, under an id that derives from it.

    Args:
        secret: 32 random bytes.

    Raises:
        InvalidConfiguration: it has another length.
    """

    __slots__ = ("_siv", "header")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _SECRET_BYTES:
            raise InvalidConfiguration(f"A link secret has {_SECRET_BYTES} bytes.")
        self.header = _VERSION + _derive(secret, b"gateway stream link key id v1", _KEY_ID_BYTES)
        self._siv = AESSIV(_derive(secret, b"gateway stream link v1", _SIV_KEY_BYTES))

    def seal(self, claims: bytes) -> bytes:
        """Return version, key id and the sealed claims; the first two are authenticated as well."""
        return self.header + self._siv.encrypt(claims, [self.header])

    def open(self, token: bytes) -> bytes:
        """Return the claims. Raises `InvalidTag` unless every bit of the token is as it was sealed."""
        return self._siv.decrypt(token[_HEADER_BYTES:], [self.header])


class StreamLinks:
    """Issues and opens stream links.

    Args:
        keys: The first seals; all of them open, so that a key is replaced without breaking links that are out.
        base_url: `https://host[:port]`, as clients reach the gateway.
        clock: Gives the time of issue and of use.
        random: Returns that many random bytes.

    Raises:
        InvalidConfiguration: there is no key, or two with one id.
    """

    def __init__(
        self,
        keys: Sequence[LinkKey],
        *,
        base_url: str,
        clock: Clock,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._ring = {key.header: key for key in keys}
        if not keys or len(self._ring) != len(keys):
            raise InvalidConfiguration("Stream links need at least one key, and each only once.")
        self._newest = keys[0]
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._random = random

    def issue(self, grant: StreamGrant, *, expires_in: timedelta) -> Link:
        """Return a link that grants just this, from now on and for `expires_in` (1 second to 7 days).

        Raises:
            InvalidInput: the life is out of bounds.
            TooLarge: the names in the grant are too long for a URL.
        """
        if not MIN_TTL <= expires_in <= MAX_TTL:
            raise InvalidInput("A link lives from 1 second to 7 days.")
        now = self._clock()
        claims = StreamClaims(grant, self._random(_TOKEN_ID_BYTES), issued_at=now, expires_at=now + expires_in)
        token = _to_text(self._newest.seal(claims.encode()))
        if len(token) > MAX_TOKEN_CHARS:
            raise TooLarge("The path and the names in this link are too long for a URL.")
        return Link(
            mode=LinkMode.STREAM,
            method="GET",
            url=f"{self._base_url}/d/{token}",
            expires_at=claims.expires_at,
            id=claims.token_id.hex(),
        )

    def open(self, token: str, *, method: str = "GET", source_ip: str = "") -> StreamClaims:
        """Return what the link grants, verified. Its range, uses and lease are for who serves it to hold to.

        Raises:
            LinkRefused: we did not seal this token, or not for this method or for where the request comes from.
            LinkExpired: it was good once.
        """
        claims = self._unseal(token)
        if self._clock() >= claims.expires_at:
            raise LinkExpired("This link has expired.", hint="Ask for a new one with 'gateway link'.")
        if not claims.grant.methods.allows(method):
            raise LinkRefused(f"This link is not for {method[:20]!r}.", hint="It is for GET and HEAD.")
        claims.grant.restrictions.check_source(source_ip)
        return claims

    def _unseal(self, token: str) -> StreamClaims:
        """Take the steps of FORMAT.md, "Opening". Whoever alters a token does not learn which check refused it."""
        try:
            raw = _to_bytes(token)  # Steps 1 and 2
            # Steps 3 to 5: an unknown version or key has no entry in the ring.
            return StreamClaims.decode(self._ring[raw[:_HEADER_BYTES]].open(raw))
        except (ValueError, KeyError, InvalidTag) as error:
            raise LinkRefused(
                "This link is not as it was signed.", hint="Copy it whole, or ask for a new one."
            ) from error


def _derive(secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def _to_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _to_bytes(text: str) -> bytes:
    """Return what base64url without padding spells; one spelling only (RFC 4648 3.5: unused bits are zero)."""
    if not _TOKEN.fullmatch(text):
        raise ValueError("The token is too long, or not base64url.")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _to_text(raw) != text:
        raise ValueError("The token's last character has unused bits set.")
    return raw
