"""Versions with their lineage, what changed between two, and upkeep, as JSON."""

from typing import Annotated, Self

from pydantic import Field

from gateway.api.schemas.catalog import VersionOut
from gateway.api.schemas.wire import Wire
from gateway.broker.garbage import Collected
from gateway.broker.history import Logged
from gateway.catalog.difference import Difference
from gateway.model import FileEntry

MAX_GRACE_SECONDS = 366 * 86_400


class InputOut(Wire):
    """A version that another was made from."""

    name: str
    version: int
    digest: str


class OutputOut(Wire):
    """A version that was made from another."""

    name: str
    version: int


class LoggedOut(Wire):
    """A version with its tags and its lineage."""

    version: VersionOut
    commit: str
    run: str
    tags: list[str]
    inputs: list[InputOut]
    hidden_inputs: int
    outputs: list[OutputOut]

    @classmethod
    def of(cls, logged: Logged) -> Self:
        """Translate."""
        return cls(
            version=VersionOut.of(logged.version),
            commit=logged.version.commit,
            run=logged.version.run,
            tags=list(logged.tags),
            inputs=[InputOut(name=str(one.resource), version=one.number, digest=one.digest) for one in logged.inputs],
            hidden_inputs=logged.hidden_inputs,
            outputs=[OutputOut(name=str(one.resource), version=one.number) for one in logged.outputs],
        )


class LogOut(Wire):
    """A resource's versions, newest first."""

    versions: list[LoggedOut]


class ContentOut(Wire):
    """What a file is."""

    size: int
    sha256: str

    @classmethod
    def of(cls, entry: FileEntry | None) -> Self | None:
        """Translate."""
        return cls(size=entry.size, sha256=entry.sha256) if entry else None


class DifferenceOut(Wire):
    """A file that differs."""

    change: str
    path: str
    old: ContentOut | None
    new: ContentOut | None

    @classmethod
    def of(cls, found: Difference) -> Self:
        """Translate."""
        return cls(
            change=found.change.value, path=found.path, old=ContentOut.of(found.old), new=ContentOut.of(found.new)
        )


class CollectRequest(Wire):
    """How garbage is to be collected."""

    grace_seconds: Annotated[int, Field(ge=0, le=MAX_GRACE_SECONDS)] = 86_400
    dry_run: bool = False


class CollectedOut(Wire):
    """What was deleted, or would be."""

    objects: int
    packs: int
    bytes: int
    pushes: int
    dry_run: bool

    @classmethod
    def of(cls, done: Collected, *, dry_run: bool) -> Self:
        """Translate."""
        return cls(objects=done.objects, packs=done.packs, bytes=done.bytes, pushes=done.pushes, dry_run=dry_run)
