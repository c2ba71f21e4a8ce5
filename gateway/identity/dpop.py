"""Proofs of possession (RFC 9449): a caller shows that it holds the key that its token is bound to.

A proof is a JWT that the client signs for one request. It is good once, for a minute, with a nonce of ours inside, so
that neither a stolen token nor a recorded or prepared proof is of use to anybody else.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from joserfc.jwk import Key

from gateway.clock import Clock
from gateway.errors import InvalidClaim, InvalidDpopProof, InvalidToken, Unauthenticated, UseDpopNonce
from gateway.identity.claims import text_claim, time_claim
from gateway.identity.encoding import encode_base64url
from gateway.identity.jws import SignedClaims, SignedToken, verify_signature
from gateway.identity.keyset import fits, import_public
from gateway.ports import UsedProofs

ALGORITHMS = ("ES256", "EdDSA")
"""What proofs may be signed with."""
MAX_PROOF_BYTES = 4096
MAX_AGE = timedelta(seconds=60)
"""How old a proof may be by its `iat`,"""
MAX_AHEAD = timedelta(seconds=30)
"""and how far ahead the client's clock may be of ours."""
NONCE_LIFE = timedelta(minutes=5)
"""A new nonce is given out in each such time; the one before is still good."""

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""RFC 7518 6: members of private and symmetric keys."""
_MAX_CHARS = 256
_DEFAULT_PORTS = {"https": 443, "http": 80}
_ENCODED = re.compile(r"%[0-9a-fA-F]{2}")

Secret = Callable[[], Awaitable[bytes]]
"""Returns 32 secret bytes that all instances share."""


@dataclass(frozen=True, slots=True)
class Call:
    """The request that a proof has to be for."""

    method: str
    url: str
    """Its address below our public URL, whatever a proxy made of it; without query and fragment."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof that was good."""

    thumbprint: str
    """SHA-256 of the client's public key (RFC 7638), as `cnf.jkt` has it."""
    next_nonce: str = ""
    """What the next proof must hold, if it is another nonce than this one's."""


class Nonces:
    """Nonces that need no memory: a count of `NONCE_LIFE`s, and a MAC of it. Any instance takes another's."""

    def __init__(self, secret: Secret, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    async def current(self) -> str:
        """Return the nonce of now."""
        return await self._nonce(self._count())

    async def is_good(self, nonce: str) -> bool:
        """Tell whether the nonce is of now, or the one before."""
        now = self._count()
        good = [await self._nonce(count) for count in (now, now - 1)]
        return any(hmac.compare_digest(nonce.encode(), one.encode()) for one in good)

    def _count(self) -> int:
        return int(self._clock().timestamp() // NONCE_LIFE.total_seconds())

    async def _nonce(self, count: int) -> str:
        message = b"gateway dpop nonce v1\0" + count.to_bytes(8, "big")
        return encode_base64url(hmac.digest(await self._secret(), message, hashlib.sha256)[:18])


class Proofs:
    """Verifies proofs of possession.

    Args:
        used: Remembers proofs, for all instances.
        nonces: Where given, each proof must hold one.
        clock: The time.
    """

    def __init__(self, used: UsedProofs, nonces: Nonces | None, clock: Clock) -> None:
        self._used = used
        self._nonces = nonces
        self._clock = clock

    async def verify(self, text: str, call: Call, *, token: str | None = None) -> Proven:
        """Return the key that the proof proves, if it was made for this call, and for this token if there is one.

        Raises:
            InvalidDpopProof: it was not, or was shown before; the message says what is wrong.
            UseDpopNonce: it lacks the nonce, which the error has.
            StateUnavailable: we cannot know whether it was shown before.
        """
        # RFC 9449 4.3; the first check, that there is one proof, is where the header is read.
        signed, key = _read(text)
        claims = _verified_claims(signed, key)
        _check_call(claims, call)
        _check_token(claims, token)
        issued = self._check_time(claims)
        next_nonce = await self._check_nonce(claims)
        # Last, so that only good proofs fill the memory. One key's proof cannot use up another's `jti`.
        thumbprint = key.thumbprint()
        name = f"{thumbprint}\0{_text(claims, 'jti')}"
        digest = hashlib.sha256(name.encode()).hexdigest()
        if not await self._used.take(digest, until=issued + MAX_AGE):
            raise InvalidDpopProof("The proof was used before.", hint="Each request needs a proof of its own.")
        return Proven(thumbprint, next_nonce)

    def _check_time(self, claims: SignedClaims) -> datetime:
        """Check step 11: `iat` lies in the window. Return it."""
        try:
            issued = time_claim(claims, "iat", required=True)
        except InvalidClaim as error:
            raise InvalidDpopProof("The proof does not say when it was made.") from error
        now = self._clock()
        if issued is None or not now - MAX_AGE < issued <= now + MAX_AHEAD:
            raise InvalidDpopProof(
                f"The proof's iat is not within the last {MAX_AGE.total_seconds():g} s.",
                hint="Compare the clocks of the client and the gateway.",
            )
        return issued

    async def _check_nonce(self, claims: SignedClaims) -> str:
        """Check step 10: the nonce. Return the next one, if it is another."""
        if self._nonces is None:
            return ""
        nonce, current = claims.get("nonce"), await self._nonces.current()
        if not isinstance(nonce, str) or not await self._nonces.is_good(nonce):
            raise UseDpopNonce(
                "The proof must hold the nonce of the header DPoP-Nonce.",
                hint="Prove again with it; our own client does.",
                nonce=current,
            )
        return "" if nonce == current else current


def _read(text: str) -> tuple[SignedToken, Key]:
    """Check steps 2, 4, 5 and 7 of RFC 9449 4.3: a JWT of its own kind, which carries a public key."""
    if len(text) > MAX_PROOF_BYTES:
        raise InvalidDpopProof(f"The proof is longer than {MAX_PROOF_BYTES:,} bytes.")
    try:
        signed = SignedToken.parse(text, carries_key=True)
    except InvalidToken as error:
        raise InvalidDpopProof(error.message.replace("The token", "The proof")) from error
    if signed.media_type != "dpop+jwt":
        raise InvalidDpopProof("The proof's typ is wrong: expected 'dpop+jwt'.")
    if signed.algorithm not in ALGORITHMS:
        raise InvalidDpopProof(f"The proof's algorithm is wrong: expected {' or '.join(ALGORITHMS)}.")
    if signed.own_key is None or _PRIVATE_MEMBERS & signed.own_key.keys():
        raise InvalidDpopProof("The proof's header has no public key in jwk, or a private one.")
    key = import_public(signed.own_key)
    if key is None or not fits(key, signed.algorithm):
        raise InvalidDpopProof("The proof's jwk is no key for its algorithm.")
    return signed, key


def _verified_claims(signed: SignedToken, key: Key) -> SignedClaims:
    """Check step 6: the signature, by the key that the proof itself carries."""
    try:
        return verify_signature(signed, key)
    except Unauthenticated as error:
        raise InvalidDpopProof("The proof's signature does not verify.") from error


def _check_call(claims: SignedClaims, call: Call) -> None:
    """Check steps 8 and 9: method and address."""
    if _text(claims, "htm") != call.method:
        raise InvalidDpopProof(f"The proof's htm is wrong: expected {call.method!r}.")
    if normal_url(_text(claims, "htu")) != normal_url(call.url):
        raise InvalidDpopProof(f"The proof's htu is wrong: expected {call.url!r}.")


def _check_token(claims: SignedClaims, token: str | None) -> None:
    """Check step 12: the hash of the token that the call comes with."""
    if token is None:
        return
    expected = encode_base64url(hashlib.sha256(token.encode()).digest())
    if not hmac.compare_digest(_text(claims, "ath").encode(), expected.encode()):
        raise InvalidDpopProof("The proof's ath is wrong: it was made for another token.")


def _text(claims: SignedClaims, name: str) -> str:
    """Check step 3: what is required is there."""
    try:
        return text_claim(claims, name, limit=_MAX_CHARS if name != "htu" else 2 * MAX_PROOF_BYTES)
    except InvalidClaim as error:
        raise InvalidDpopProof(f"The proof has no {name}, or none that is a text.") from error


def normal_url(url: str) -> str:
    """Return an address in RFC 3986's normal form (6.2.2 and 6.2.3), without query and fragment.

    >>> normal_url("HTTPS://Gateway.Example.org:443/v1/%7euser?x=1")
    'https://gateway.example.org/v1/~user'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    shown = f"[{host}]" if ":" in host else host
    place = shown if port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{shown}:{port}"
    return f"{parts.scheme}://{place}{_ENCODED.sub(_decode_unreserved, parts.path) or '/'}"


def _decode_unreserved(match: re.Match[str]) -> str:
    # RFC 3986 2.3: letters, digits and -._~ mean the same either way; all else keeps its escape, in upper case.
    char = chr(int(match[0][1:], 16))
    return char if char.isascii() and (char.isalnum() or char in "-._~") else match[0].upper()
