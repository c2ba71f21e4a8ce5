"""Reads signed tokens in JWS compact form (RFC 7515) and verifies their signature.

One parse, by this module: what is verified is byte for byte what was parsed. A token never says where its key is.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NewType, Self

from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from gateway.errors import BadSignature, InvalidToken
from gateway.identity.encoding import decode_base64url, read_object

MAX_TOKEN_BYTES = 16 * 1024
MAX_KEY_ID_CHARS = 256
_SEGMENTS = 3

_REFUSED_PARAMETERS = frozenset({"crit", "b64", "jku", "jwk", "x5u", "x5c"})
"""RFC 7515 4.1: they name the key, or its address, or change what is signed. The keys are those of the issuer's own
set, and nothing else; a token that offers another is refused before anything is looked up."""

SignedClaims = NewType("SignedClaims", Mapping[str, object])
"""Claims whose signature was verified; time, issuer and audience are still to be checked."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token that was parsed, and not yet verified."""

    algorithm: str
    """`alg`."""
    key_id: str | None
    """`kid`."""
    media_type: str | None
    """`typ`, in lower case and without 'application/' (RFC 7515 4.1.9)."""
    unverified_claims: Mapping[str, object] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    own_key: Mapping[str, object] | None = field(default=None, repr=False)
    """`jwk`, in a proof of possession alone."""

    @classmethod
    def parse(cls, text: str, *, carries_key: bool = False) -> Self:
        """Read the compact form.

        Args:
            text: the token.
            carries_key: whether it is a proof of possession, whose header has the key that it proves (RFC 9449 4.2).

        Raises:
            InvalidToken: it is too long, has another spelling than the canonical one, or a refused header parameter.
        """
        if len(text) > MAX_TOKEN_BYTES:
            raise InvalidToken(f"The token is longer than {MAX_TOKEN_BYTES:,} bytes.")
        segments = text.split(".")
        if len(segments) != _SEGMENTS:
            raise InvalidToken("The token is not a signed JWT in compact form.", hint="Was an opaque token sent?")
        header = _object(segments[0], "header")
        _refuse_key_hints(header, frozenset({"jwk"}) if carries_key else frozenset())
        own_key = header.get("jwk")
        media_type = _text(header, "typ")
        return cls(
            algorithm=_required_text(header, "alg"),
            key_id=_text(header, "kid"),
            media_type=media_type and media_type.lower().removeprefix("application/"),
            unverified_claims=_object(segments[1], "payload"),
            signing_input=text.rpartition(".")[0].encode(),
            signature=_bytes(segments[2], "signature"),
            own_key=own_key if isinstance(own_key, dict) else None,
        )


def verify_signature(token: SignedToken, key: Key) -> SignedClaims:
    """Return the claims, once the signature verified with `key`.

    The caller has checked that the algorithm is one that it allows.

    Raises:
        BadSignature: it did not verify, or the key is not one for this algorithm.
    """
    algorithm = JWSRegistry.algorithms[token.algorithm]
    try:
        algorithm.check_key(key)
        verified = algorithm.verify(token.signing_input, token.signature, key)
    except JoseError as error:
        raise BadSignature("The token's algorithm does not fit its key.") from error
    if not verified:
        raise BadSignature("The token's signature does not verify.")
    return SignedClaims(token.unverified_claims)


def _refuse_key_hints(header: Mapping[str, object], allowed: AbstractSet[str]) -> None:
    refused = sorted((_REFUSED_PARAMETERS - allowed) & header.keys())
    if refused:
        raise InvalidToken(
            f"The token's header has {', '.join(refused)}, which we never follow.",
            hint="Keys come from the issuer's own key set alone.",
        )


def _object(segment: str, what: str) -> dict[str, object]:
    try:
        return read_object(decode_base64url(segment))
    except ValueError as error:
        raise InvalidToken(f"The token's {what} is refused: {error}.") from error


def _bytes(segment: str, what: str) -> bytes:
    try:
        return decode_base64url(segment)
    except ValueError as error:
        raise InvalidToken(f"The token's {what} is refused: {error}.") from error


def _text(header: Mapping[str, object], name: str) -> str | None:
    value = header.get(name)
    if name in header and (not isinstance(value, str) or not 0 < len(value) <= MAX_KEY_ID_CHARS):
        raise InvalidToken(f"The token's header parameter {name} is not a text of 1 to {MAX_KEY_ID_CHARS} characters.")
    return value if isinstance(value, str) else None


def _required_text(header: Mapping[str, object], name: str) -> str:
    value = _text(header, name)
    if value is None:
        raise InvalidToken(f"The token's header has no {name}.")
    return value
