"""Signed notes (C2SP signed-note): a text with Ed25519 signatures, and the keys that they are checked with. Pure."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.errors import InvalidProof

MAX_NOTE_BYTES = 1 << 16

_ED25519 = b"\x01"
ID_BYTES = 4
_KEY_BYTES = 32
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,255}")
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under the name that it signs for."""

    name: str
    public: bytes
    """32 bytes (RFC 8032)."""

    def __post_init__(self) -> None:
        check_key(self.name, self.public)

    @property
    def id(self) -> bytes:
        """The 4 bytes that name the key in a signature."""
        return key_id(self.name, _ED25519, self.public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<name>+<key id in hex>+<base64 of the type and the key>`.

        Raises:
            InvalidProof: it is no such key, or of another type than Ed25519.
        """
        return cls(*read_key(text, _ED25519))

    def __str__(self) -> str:
        return write_key(self.name, _ED25519, self.public)


def check_key(name: str, public: bytes) -> None:
    """Return if this can be a key's name and an Ed25519 key. Raises `InvalidProof`."""
    if not _NAME.fullmatch(name) or len(public) != _KEY_BYTES:
        raise InvalidProof(f"{name[:80]!r} is no key's name, or its key is no Ed25519 key.")


def key_id(name: str, kind: bytes, public: bytes) -> bytes:
    """Return the 4 bytes that name a key of this kind in a signature."""
    return sha256(name.encode() + b"\n" + kind + public).digest()[:ID_BYTES]


def write_key(name: str, kind: bytes, public: bytes) -> str:
    """Return a key as people hand it on."""
    return f"{name}+{key_id(name, kind, public).hex()}+{base64.b64encode(kind + public).decode()}"


def read_key(text: str, kind: bytes) -> tuple[str, bytes]:
    """Return the name and the 32 bytes of what `write_key` wrote.

    Raises:
        InvalidProof: it is no such key, or of another kind.
    """
    name, _, rest = text.strip().partition("+")
    named_id, _, encoded = rest.partition("+")
    data = read_base64(encoded)
    if data[:1] != kind:
        raise InvalidProof(f"{text[:80]!r} is no verifier key of type {kind[0]}.", hint="It reads NAME+ID+KEY.")
    if key_id(name, kind, data[1:]).hex() != named_id.lower():
        raise InvalidProof(f"The verifier key of {name} is damaged: its id is another.")
    return name, data[1:]


def add_signature(text: str, key: VerifierKey, signature: bytes) -> str:
    """Return the note of a text and the signature that a key made over it."""
    return f"{text}\n— {key.name} {base64.b64encode(key.id + signature).decode()}\n"


def open_note(note: bytes, keys: Iterable[VerifierKey]) -> str:
    """Return the text of a note that at least one of the keys has signed; other signatures are passed over.

    Raises:
        InvalidProof: it is no note, none of the keys has signed it, or a signature by one of them is wrong.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.id): key for key in keys}
    signed = False
    for name, data in signatures:
        if key := known.get((name, data[:ID_BYTES])):
            check_signature(key.name, key.public, data[ID_BYTES:], text.encode())
            signed = True
    if not signed:
        raise InvalidProof("The note is signed by none of the keys that were given.")
    return text


def split_note(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Return a note's text and its signatures, unchecked, as (key name, key id and signature).

    Raises:
        InvalidProof: it is no note.
    """
    content = _decoded(note)
    text, blank, tail = content.rpartition("\n\n")
    lines = [_SIGNATURE_LINE.fullmatch(line) for line in tail.removesuffix("\n").split("\n")]
    if not blank or not tail.endswith("\n") or not all(lines):
        raise InvalidProof("This is no signed note.")
    return f"{text}\n", [(line[1], read_base64(line[2])) for line in lines if line]


def _decoded(note: bytes) -> str:
    try:
        content = note[: MAX_NOTE_BYTES + 1].decode()
    except UnicodeDecodeError as error:
        raise InvalidProof("A signed note is text in UTF-8; this is not.") from error
    if len(note) > MAX_NOTE_BYTES or _CONTROLS.search(content):
        raise InvalidProof("This is no signed note: it is too long, or has a control character.")
    return content


def check_signature(name: str, public: bytes, signature: bytes, message: bytes) -> None:
    """Return if the key has signed the message. Raises `InvalidProof`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature as error:
        raise InvalidProof(f"The signature of {name} is forged, or the text was altered.") from error


def read_base64(text: str) -> bytes:
    """Return the bytes of a base64 (RFC 4648, 4) in the one spelling that they have.

    Raises:
        InvalidProof: it is none.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidProof(f"{text[:40]!r} is no base64.") from error
    if base64.b64encode(data).decode() != text:
        raise InvalidProof(f"{text[:40]!r} is not the one base64 of its bytes.")
    return data
