"""Object keys, derived. Each object has its own; none says anything about another or about the data key."""

from gateway.mac import KeyedMac

KEY_BYTES = 32
_LABEL = b"gateway object key v1"


def object_key(data_key: bytes, *, resource_id: str, object_id: str) -> bytes:
    """Return the 32-byte key of one object: HKDF-SHA256 (RFC 5869) without salt, bound to resource and object.

    The salt may be empty, since the data key is uniformly random already (RFC 5869 3.3).

    >>> object_key(bytes(32), resource_id="9d1f", object_id="77aa/0").hex()
    '2bc30805ab8b7a5b672548a61ede78661fcd1ca0779a1bf3585c0358023c1996'

    Raises:
        ValueError: the data key is not 32 bytes long, or an id is empty or has a NUL, which separates them.
    """
    return ObjectKeys(data_key, resource_id).key(object_id)


class ObjectKeys:
    """Derives the object keys of one data key.

    HKDF's extraction (RFC 5869 2.2) depends on the data key alone, and of its expansion (2.3) an object key takes one
    block.

    >>> ObjectKeys(bytes(32), "9d1f").key("77aa/0") == object_key(bytes(32), resource_id="9d1f", object_id="77aa/0")
    True

    Raises:
        ValueError: the data key is not 32 bytes long, or the id is empty or has a NUL.
    """

    __slots__ = ("_expand", "_info")

    def __init__(self, data_key: bytes, resource_id: str) -> None:
        if len(data_key) != KEY_BYTES:
            raise ValueError(f"A data key has {KEY_BYTES} bytes.")
        if not resource_id or "\0" in resource_id:
            raise ValueError("An id is empty or has a NUL.")
        self._expand = KeyedMac(KeyedMac(bytes(KEY_BYTES)).digest(data_key))
        self._info = b"\0".join((_LABEL, resource_id.encode(), b""))

    def key(self, object_id: str) -> bytes:
        """Return the 32-byte key of one object.

        Raises:
            ValueError: the id is empty or has a NUL.
        """
        if not object_id or "\0" in object_id:
            raise ValueError("An id is empty or has a NUL.")
        return self._expand.digest(b"%b%b\x01" % (self._info, object_id.encode()))
