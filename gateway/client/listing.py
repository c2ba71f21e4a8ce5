"""What there is below a `gateway://` path, as fsspec describes it: kinds, namespaces, resources, folders and files."""

from collections.abc import Iterator
from typing import Any, NoReturn

from gateway.client.answers import RemoteFile
from gateway.client.python_errors import MissingFile
from gateway.client.reference import Reference
from gateway.client.shared import Session
from gateway.model import ResourceKind, Version

Info = dict[str, Any]
"""What fsspec says of a file or folder: name, size, type, and what else we know."""

_RESOURCE_PARTS = 3
"""`dataset/ns/name@v3`: what is shorter lists resources, what is longer their files."""


def resource_part(path: str) -> str:
    """Return the part of a path that names a resource and its version; nothing, if it is above them.

    >>> resource_part("dataset/vision/digits@v3/train/a.csv"), resource_part("dataset/vision")
    ('dataset/vision/digits@v3', '')
    """
    parts = path.split("/")
    return "/".join(parts[:_RESOURCE_PARTS]) if len(parts) >= _RESOURCE_PARTS else ""


class Listing:
    """Answers about paths without their protocol, and without a slash at the end."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def info(self, path: str) -> Info:
        """Return what is at the path.

        Raises:
            MissingFile: nothing is.
        """
        resource = resource_part(path)
        if not resource:
            known = not path or path in set(ResourceKind) or self._names(path)
            return folder_info(path) if known else _missing(path)
        wanted = Reference.parse(path)
        snapshot = self._session.snapshot(wanted)
        found = snapshot.look(wanted.path) if wanted.path else bool(snapshot.version)
        if isinstance(found, bool):
            return folder_info(path) if found else _missing(path)
        return _file(resource, found, snapshot.version)

    def within(self, path: str) -> Iterator[Info]:
        """Yield what is right in a folder; a file is alone in itself."""
        resource = resource_part(path)
        if not resource:
            yield from map(folder_info, self._names(path) or _missing(path))
            return
        wanted = Reference.parse(path)
        snapshot = self._session.snapshot(wanted)
        entry: RemoteFile | str | None = None
        for entry in snapshot.listing(wanted.path):
            yield (
                folder_info(f"{resource}/{entry}")
                if isinstance(entry, str)
                else _file(resource, entry, snapshot.version)
            )
        if entry is None:
            yield self.info(path)

    def files(self, path: str) -> Iterator[Info]:
        """Yield the file at the path and all files below it, in order, in one listing."""
        wanted = Reference.parse(path)
        snapshot = self._session.snapshot(wanted)
        resource = resource_part(path)
        return (_file(resource, file, snapshot.version) for file in snapshot.files(wanted.path))

    def _names(self, path: str) -> list[str]:
        """Return the kinds, the namespaces of a kind, or the resources of a namespace."""
        if not path:
            return [kind.value for kind in ResourceKind]
        kind, _, namespace = path.partition("/")
        if kind not in set(ResourceKind):
            return []
        found = self._session.gateway.resources(kind=ResourceKind(kind), namespace=namespace or None)
        names = (str(one.name) if namespace else f"{kind}/{one.name.namespace}" for one in found)
        return list(dict.fromkeys(names))


def _file(resource: str, file: RemoteFile, version: Version) -> Info:
    return {
        "name": f"{resource}/{file.path}",
        "size": file.size,
        "type": "file",
        "sha256": file.sha256,
        "ETag": file.sha256,
        "version": version.number,
        "created": version.published_at,
        "mtime": version.published_at.timestamp(),
    }


def folder_info(path: str) -> Info:
    """Return what is said of a folder."""
    return {"name": path, "size": 0, "type": "directory"}


def _missing(path: str) -> NoReturn:
    raise MissingFile(f"There is no {path!r}.", hint="fs.ls() of what is above it shows what there is.")
