"""The system's keyring, where the `[keyring]` extra is installed and the system has one that works."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "ml-data-gateway"
_NO_KEYRING = 0
"""The `keyring` package gives backends that keep secrets a priority above this."""


class KeyringUnusable(Exception):
    """The keyring is locked, gone, refuses, or does not have what was asked for."""


class Keyring(Protocol):
    """Keeps texts by name, for this person alone."""

    def get(self, name: str) -> str:
        """Return the text. Raises `KeyringUnusable`."""

    def put(self, name: str, text: str) -> None:
        """Keep the text. Raises `KeyringUnusable`."""

    def remove(self, name: str) -> None:
        """Forget the text, if the keyring has it."""


def system_keyring() -> Keyring | None:
    """Return the keyring of the system; None where there is none, and secrets stay in their file."""
    try:
        import keyring  # noqa: PLC0415 -- an optional part, and slow to load
    except ImportError:
        return None
    backend = keyring.get_keyring()
    return _Backend(backend) if backend.priority > _NO_KEYRING else None


class _Backend:
    """One backend of the `keyring` package."""

    def __init__(self, backend: "KeyringBackend") -> None:
        self._backend = backend

    def get(self, name: str) -> str:
        with _usable():
            text = self._backend.get_password(SERVICE, name)
        if text is None:
            raise KeyringUnusable
        return text

    def put(self, name: str, text: str) -> None:
        with _usable():
            self._backend.set_password(SERVICE, name, text)

    def remove(self, name: str) -> None:
        try:
            with _usable():
                self._backend.delete_password(SERVICE, name)
        except KeyringUnusable:
            return  # it has no such text, or keeps it under lock until it expires


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Backends let through what their systems raise, be it D-Bus, Windows or macOS.
        raise KeyringUnusable from error
