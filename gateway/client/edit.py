"""Changes to a resource's newest version, published together as the next one. What is not named stays as it is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.client.gateway import Gateway
from gateway.client.reference import Reference
from gateway.client.source import LocalFile
from gateway.errors import VersionExists
from gateway.model import ResourceName, Version, VersionRef, check_path


@dataclass(frozen=True, slots=True)
class _Copy:
    version: int
    path: str


class Edit:
    """What is to be put, copied and removed. A later change of a path replaces an earlier one.

    Two who edit at the same moment are not kept apart: the version of the second lacks what the first changed after the
    second began to publish. Both are in the resource's history.
    """

    def __init__(self, resource: ResourceName) -> None:
        self.resource = resource
        self._changes: dict[str, LocalFile | _Copy | None] = {}

    def put(self, path: str, place: Path) -> None:
        """Put a local file, which stays as it is until it is published."""
        self._changes[check_path(path)] = LocalFile.of(path, place, place.stat())

    def copy(self, path: str, *, version: int, source: str) -> None:
        """Put a file of one of the resource's versions; no byte is sent."""
        self._changes[check_path(path)] = _Copy(version, source)

    def remove(self, path: str) -> None:
        """Leave a file out."""
        self._changes[path] = None

    def publish(self, gateway: Gateway, *, message: str, tags: Sequence[str]) -> Version | None:
        """Publish the changes; None if they change nothing.

        Raises:
            SourceChanged: a local file changed meanwhile.
            InvalidInput: no file would be left.
            LocalFileError, AccessDenied, Unavailable: as they say. In every case, nothing is published.
        """
        files = [change for change in self._changes.values() if isinstance(change, LocalFile)]

        def others(base: Version | None) -> Iterator[bytes]:
            for path, change in self._changes.items():
                if isinstance(change, _Copy):
                    yield _line(path, change)
            if base is not None:
                numbered = Reference(self.resource, VersionRef(number=base.number))
                for file in gateway.files(numbered):
                    if file.path not in self._changes:
                        yield _line(file.path, _Copy(base.number, file.path))

        try:
            return gateway.publish(self.resource, files, others, message=message, tags=tags).version
        except VersionExists:
            return None


def _line(path: str, source: _Copy) -> bytes:
    return json.dumps({"path": path, "from": {"version": source.version, "path": source.path}}).encode() + b"\n"
