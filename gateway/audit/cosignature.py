"""Cosignatures (C2SP tlog-cosignature, version 1): a witness's word, with its time, that a log only ever grew. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from gateway.audit.note import ID_BYTES, check_key, check_signature, key_id, read_key, split_note, write_key
from gateway.errors import InvalidProof

_COSIGNATURE_V1 = b"\x04"
_TIME_BYTES, _SIGNATURE_BYTES = 8, 64


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key under its name."""

    name: str
    public: bytes
    """32 bytes (RFC 8032)."""

    def __post_init__(self) -> None:
        check_key(self.name, self.public)

    @property
    def id(self) -> bytes:
        """The 4 bytes that name the key in a cosignature."""
        return key_id(self.name, _COSIGNATURE_V1, self.public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<name>+<key id in hex>+<base64 of the type and the key>`.

        Raises:
            InvalidProof: it is no such key, or one that signs something else.
        """
        return cls(*read_key(text, _COSIGNATURE_V1))

    def __str__(self) -> str:
        return write_key(self.name, _COSIGNATURE_V1, self.public)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """Who cosigned a checkpoint, and when."""

    name: str
    at: datetime


def cosigned_message(text: str, seconds: int) -> bytes:
    r"""Return what a witness signs of a checkpoint's text, at a time in seconds since 1970 UTC.

    >>> cosigned_message("example.com/log\n...\n", 1679315147)
    b'cosignature/v1\ntime 1679315147\nexample.com/log\n...\n'
    """
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def read_cosignatures(note: bytes, keys: Iterable[WitnessKey]) -> list[Cosignature]:
    """Return the cosignatures by these witnesses under a checkpoint's note; other signatures are passed over.

    Raises:
        InvalidProof: it is no note, or a signature under one of these keys is wrong.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.id): key for key in keys}
    return [
        _check(key, data[ID_BYTES:], text) for name, data in signatures if (key := known.get((name, data[:ID_BYTES])))
    ]


def _check(key: WitnessKey, stamped: bytes, text: str) -> Cosignature:
    if len(stamped) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise InvalidProof(f"The cosignature of {key.name} is none: it has {len(stamped)} bytes.")
    seconds = int.from_bytes(stamped[:_TIME_BYTES], "big")
    check_signature(key.name, key.public, stamped[_TIME_BYTES:], cosigned_message(text, seconds))
    try:
        return Cosignature(key.name, datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidProof(f"The cosignature of {key.name} names no time.") from error
