"""Reads an issuer's key set (RFC 7517): public signature keys of the kinds we verify with; the others are left out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from gateway.identity.encoding import decode_base64url

MAX_KEYS = 100
MIN_RSA_BITS = 2048
"""NIST SP 800-131A: shorter keys are disallowed for signatures."""

_PUBLIC_MEMBERS = {
    "RSA": ("kty", "kid", "alg", "n", "e"),
    "EC": ("kty", "kid", "alg", "crv", "x", "y"),
    "OKP": ("kty", "kid", "alg", "crv", "x"),
}
"""Key types and the members that we read; a private member that slipped into a set is never even imported."""

_ALGORITHM_KEYS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""RFC 7518 3.1 and RFC 8037 3.1: the key type and curve for each algorithm. No symmetric one: there is no HS256."""


def read_key_set(document: Mapping[str, object]) -> tuple[Key, ...]:
    """Return the usable keys of a JWK Set.

    Raises:
        ValueError: it has no list of keys, too many, or none that is usable.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError("it has no list of keys")  # noqa: TRY004  the value is wrong, not the caller's type
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it has more than {MAX_KEYS} keys")
    keys = tuple(_usable(entries))
    if not keys:
        raise ValueError("it has no key that could verify a signature")
    return keys


def select_key(keys: Sequence[Key], *, key_id: str | None, algorithm: str) -> Key | None:
    """Return the key for a token, or None.

    A token without a key id is verified only where the set leaves no choice.
    """
    fitting = [key for key in keys if fits(key, algorithm)]
    if key_id is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.kid == key_id), None)


def _usable(entries: Iterable[object]) -> Iterable[Key]:
    # RFC 7517 5: keys that we do not understand are ignored, so that an issuer can add new kinds.
    for entry in entries:
        if isinstance(entry, dict) and _is_for_signatures(entry):
            key = import_public(entry)
            if key is not None:
                yield key


def _is_for_signatures(entry: Mapping[str, object]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def import_public(entry: Mapping[str, object]) -> Key | None:
    """Return the public key of a JWK, or None if it is no key that we could verify with.

    >>> import_public({"kty": "oct", "k": "c2VjcmV0"}) is None
    True
    """
    members = _PUBLIC_MEMBERS.get(str(entry.get("kty")), ())
    public: dict[str, Any] = {name: entry[name] for name in members if name in entry}
    try:
        return import_key(public) if _is_long_enough(public) else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _is_long_enough(public: Mapping[str, Any]) -> bool:
    if public.get("kty") != "RSA":
        return True  # a curve is long enough by its name
    return int.from_bytes(decode_base64url(public["n"]), "big").bit_length() >= MIN_RSA_BITS


def fits(key: Key, algorithm: str) -> bool:
    """Tell whether the key is one for this algorithm."""
    kind, curve = _ALGORITHM_KEYS.get(algorithm, (None, None))
    return key.key_type == kind and key.alg in {None, algorithm} and (curve is None or key.get("crv") == curve)
