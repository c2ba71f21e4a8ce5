"""A value that tells the right object key from a wrong one before anything is read, and says nothing else about it."""

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import WrongKey

KEY_BYTES = 32
_CHECK_BYTES = 16
_INFO = b"gateway key check v1"


def key_check(object_key: bytes) -> str:
    """Return the key's check value: 32 hex digits, HKDF-SHA256 (RFC 5869) of the key alone.

    It commits to the key, which AES-GCM by itself does not: two keys that open one ciphertext differently
    differ here (Dodis, Grubbs, Ristenpart, Woodage: "Fast Message Franking").

    >>> key_check(bytes(32))
    '56374361b60f8b27af1d9d07c32d57dd'
    """
    return HKDF(algorithm=SHA256(), length=_CHECK_BYTES, salt=None, info=_INFO).derive(object_key).hex()


def verify_key(object_key: bytes, expected: str) -> None:
    """Pass if `expected` is the key's check value. Compares in constant time.

    Raises:
        WrongKey: it is not, or `object_key` does not have 32 bytes.
    """
    if len(object_key) != KEY_BYTES:
        raise WrongKey(f"An object key has {KEY_BYTES} bytes, not {len(object_key)}.")
    if not hmac.compare_digest(key_check(object_key).encode(), expected.encode()):
        raise WrongKey("The object key is not the one that encrypted this object.", hint="Ask for a new link.")
