"""Puts new secrets where instances look for them: into files, or into Vault for others to bring to files."""

import os
import stat
from pathlib import Path
from typing import Protocol

from anyio import to_thread

from gateway.errors import InvalidConfiguration, LocalFileError
from gateway.rotation.book import Book


class Publisher(Protocol):
    """Where new secrets go."""

    async def put(self, file: Path, secret: str) -> None:
        """Have this secret in this file, on every machine, some time soon."""


class Files:
    """The files themselves: of this machine, or on a volume that the gateways share."""

    async def put(self, file: Path, secret: str) -> None:
        """Write the file whole or not at all, with the owner and the rights that it had.

        Raises:
            LocalFileError: it cannot be written.
        """
        await to_thread.run_sync(_replace, file, secret)


class Kept:
    """Vault's KV engine, below `published/`, under the files' names."""

    def __init__(self, book: Book) -> None:
        self._book = book

    async def put(self, file: Path, secret: str) -> None:
        """Write it to Vault."""
        await self._book.publish(file.name, secret)


def read_secret(file: Path) -> str:
    """Return what a secret's file holds.

    Raises:
        InvalidConfiguration: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"The secret in {file} cannot be read.") from error


def _replace(file: Path, secret: str) -> None:
    fresh = file.with_name(f".{file.name}.new")
    try:
        before = file.stat()
        _check_readable(file, before)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchown(descriptor, before.st_uid if os.geteuid() == 0 else -1, before.st_gid)
            os.fchmod(descriptor, before.st_mode & 0o777)
            stream.write(secret)
            stream.flush()
            os.fsync(descriptor)
        fresh.replace(file)
    except OSError as error:
        raise LocalFileError(f"{file} cannot be replaced: {error.strerror}.") from error


def _check_readable(file: Path, before: os.stat_result) -> None:
    """Raise `LocalFileError` if the owner could not read what we, another user, would put in the file's place."""
    if os.geteuid() not in {0, before.st_uid} and not before.st_mode & stat.S_IRGRP:
        raise LocalFileError(
            f"{file} belongs to another user, who could not read it any more if it was replaced.",
            hint="Let its group read it (chmod 640), or run as its owner.",
        )
