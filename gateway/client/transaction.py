"""Writes through the file system: staged here, and published as one version of each resource, or not at all."""

import io
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Protocol

from fsspec.transaction import Transaction

from gateway.client.edit import Edit
from gateway.client.gateway import Gateway
from gateway.client.python_errors import python_errors
from gateway.client.reference import LATEST, Reference
from gateway.errors import InvalidPath
from gateway.model import ResourceName, Version


class Writable(Protocol):
    """The file system, as far as what is written needs it."""

    transaction: "PushTransaction"

    @property
    def gateway(self) -> Gateway:
        """Where to publish."""

    def forget(self, resource: ResourceName | None) -> None:
        """Ask anew what is there."""

    def one_version(self) -> AbstractContextManager["PushTransaction"]:
        """Give the transaction that is open, or one of its own."""


class PushTransaction(Transaction):  # type: ignore[misc]  # fsspec has no types
    """All that is written, copied and removed within `with fs.transaction:` is one version of each resource.

    Until its end, reading shows what was there before.
    """

    def __init__(self, fs: Writable) -> None:
        super().__init__(fs)
        self._system = fs
        self.message = ""
        """What the version's history says of it."""
        self.tags: tuple[str, ...] = ()
        """Tags to move to it."""
        self.versions: list[Version] = []
        """What was published, once the transaction is over."""
        self._edits: dict[ResourceName, Edit] = {}

    def edit(self, resource: ResourceName) -> Edit:
        """Return the changes to a resource so far."""
        return self._edits.setdefault(resource, Edit(resource))

    def start(self) -> None:
        """Begin anew."""
        super().start()
        self._edits.clear()

    def complete(self, commit: bool = True) -> None:  # noqa: FBT001, FBT002 -- fsspec's signature
        """Publish what was changed, or drop it."""
        fs, files = self._system, list(self.files)
        self.files.clear()
        try:
            if commit:
                for file in files:
                    file.stage()
                self._publish(fs)
        finally:
            for file in files:
                file.discard()
            self._edits.clear()
            super().complete(commit=False)  # with nothing left in it: it ends the transaction

    def _publish(self, fs: Writable) -> None:
        with python_errors():
            for edit in self._edits.values():
                found = edit.publish(fs.gateway, message=self.message, tags=self.tags)
                self.versions += [found] if found else []
                fs.forget(edit.resource)


class StagedFile(io.BufferedRandom):
    """A file that is being written: here, until it is closed or its transaction ends; then it is published.

    A block that ends with an error publishes nothing, nor does a file that nobody closes.
    """

    def __init__(self, fs: Writable, path: str, *, autocommit: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gateway-", ignore_cleanup_errors=True)
        self._place = Path(self._folder.name) / "content"
        self._fs = fs
        self._path = path
        self._autocommit = autocommit
        super().__init__(io.FileIO(self._place, "x+"))

    def stage(self) -> None:
        """Hand the content over to the transaction."""
        super().close()
        wanted = writable(self._path)
        self._fs.transaction.edit(wanted.resource).put(wanted.path, self._place)

    def close(self) -> None:
        """End the writing and, outside a transaction, publish."""
        if self.closed:
            return
        super().close()
        if self._autocommit:
            try:
                with self._fs.one_version():
                    self.stage()
            finally:
                self._folder.cleanup()

    def discard(self) -> None:
        """Drop the content."""
        super().close()
        self._folder.cleanup()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        self.discard()


class StagedText(io.TextIOWrapper):
    """The same for text."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and isinstance(self.buffer, StagedFile):
            self.buffer.discard()
        super().__exit__(kind, error, trace)


def writable(path: str) -> Reference:
    """Return what a path names, if it can be written.

    Raises:
        InvalidPath: it names a version, which never changes, or no file.
    """
    wanted = Reference.parse(path)
    if wanted.version != LATEST:
        raise InvalidPath(
            f"{path!r} cannot be written: a version never changes.",
            hint=f"Write to {wanted.resource}/{wanted.path}, which makes the next version.",
        )
    if not wanted.path:
        raise InvalidPath(f"{path!r} names no file.", hint=f"Write to {wanted.resource}/PATH.")
    return wanted
