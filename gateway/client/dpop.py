"""Proves possession of a key with each request (RFC 9449), so that a stolen token alone opens nothing.

The private key is made here and never sent anywhere.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Generator, Mapping
from typing import Self
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.clock import Clock, utc_now

ALGORITHM = "ES256"
_COORDINATE_BYTES = 32
_MAX_NONCE_CHARS = 512
_NONCE_WANTED = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED})
"""What `use_dpop_nonce` comes with: from an authorization server (RFC 9449 8), and from a resource server (9)."""


class ProofKey:
    """A key on P-256 that tokens are bound to, with the newest nonce of each server. Threads may share it."""

    def __init__(self, private: ec.EllipticCurvePrivateKey, *, clock: Clock = utc_now) -> None:
        self._private = private
        self._clock = clock
        self._nonces: dict[str, str] = {}
        point = private.public_key().public_numbers()
        x, y = (_encode(number.to_bytes(_COORDINATE_BYTES)) for number in (point.x, point.y))
        self._public = {"crv": "P-256", "kty": "EC", "x": x, "y": y}

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, pem: str) -> Self:
        """Read what `dump` wrote.

        Raises:
            ValueError: it is something else.
        """
        private = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise ValueError("not a key on P-256")  # noqa: TRY004 -- the text is wrong, not the caller's type
        return cls(private)

    def dump(self) -> str:
        """Return the private key as PKCS #8 in PEM. Keep it as you keep the token."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def thumbprint(self) -> str:
        """The public key's name (RFC 7638), as tokens bind to it: `cnf.jkt`, and `dpop_jkt` in an authorization."""
        # RFC 7638 3.2: these four members, in this order, without white space.
        return _encode(hashlib.sha256(_json(self._public)).digest())

    def proof(self, method: str, url: str, *, token: str = "") -> str:
        """Return a proof for one request, and for the token that goes with it."""
        claims = {
            "jti": uuid.uuid4().hex,
            "htm": method,
            "htu": _without_query(url),
            "iat": int(self._clock().timestamp()),
        }
        if token:
            claims["ath"] = _encode(hashlib.sha256(token.encode()).digest())
        if nonce := self._nonces.get(_origin(url)):
            claims["nonce"] = nonce
        return self._sign({"typ": "dpop+jwt", "alg": ALGORITHM, "jwk": self._public}, claims)

    def heard(self, answer: httpx.Response) -> bool:
        """Keep the nonce that comes with an answer, and tell whether the same request should be sent once more."""
        nonce, server = answer.headers.get("dpop-nonce", ""), _origin(str(answer.request.url))
        if not 0 < len(nonce) <= _MAX_NONCE_CHARS or nonce == self._nonces.get(server):
            return False
        self._nonces[server] = nonce
        return answer.status_code in _NONCE_WANTED

    def _sign(self, header: dict[str, object], claims: dict[str, object]) -> str:
        message = f"{_encode(_json(header))}.{_encode(_json(claims))}"
        r, s = decode_dss_signature(self._private.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
        # RFC 7518 3.4: the two numbers side by side, in place of DER.
        return f"{message}.{_encode(r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES))}"


class ProofAuth(httpx.Auth):
    """Adds proofs to requests for tokens."""

    def __init__(self, key: ProofKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with a proof; and once more, never twice, if the server wants its nonce in it."""
        request.headers["dpop"] = self._key.proof(request.method, str(request.url))
        if self._key.heard((yield request)):
            request.headers["dpop"] = self._key.proof(request.method, str(request.url))
            self._key.heard((yield request))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _without_query(url: str) -> str:
    # RFC 9449 4.2: htu is the target URI without query and fragment.
    return url.partition("#")[0].partition("?")[0]


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
