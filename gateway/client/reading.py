"""The reading half of the file system: what there is, and what is in it."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from fsspec.spec import AbstractFileSystem

from gateway.client.gateway import Gateway
from gateway.client.listing import Info, Listing, folder_info, resource_part
from gateway.client.opened import ObjectFile
from gateway.client.python_errors import python_errors
from gateway.client.ranges import read_ranges
from gateway.client.reference import Reference
from gateway.client.remote import RemoteObject
from gateway.client.shared import Options, Pins, close_sessions, session_of
from gateway.model import LinkMode, ResourceName

Bounds = int | Sequence[int | None] | None
"""One position for all, or one for each."""


class ReadingFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Datasets and models as folders of files; `GatewayFileSystem` can write them too."""

    def __init__(
        self,
        url: str | None = None,
        *,
        profile: str | None = None,
        lease: str | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int | None = None,
        **options: Any,  # noqa: ANN401 -- fsspec's own
    ) -> None:
        super().__init__(**options)
        folder = None if cache is None else os.fspath(cache)
        self._session = session_of(Options(url, profile, lease, folder, cache_bytes))
        self._listing = Listing(self._session)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker in another process reads the versions that we read, whatever happened to the tags meanwhile.
        return _remake, (type(self), self.storage_args, self.storage_options, dict(self._session.pins))

    @classmethod
    def clear_instance_cache(cls) -> None:
        """Forget all instances, and close the connections that they shared."""
        super().clear_instance_cache()
        close_sessions()

    @property
    def gateway(self) -> Gateway:
        """The gateway, as this process is connected to it."""
        return self._session.gateway

    def adopt(self, pins: Pins) -> Self:
        """Let names stand for the versions that they stand for in another process."""
        self._session.adopt(pins)
        return self

    def invalidate_cache(self, path: str | None = None) -> None:
        """Ask anew which version a name stands for, and what is in it."""
        resource = resource_part(self._strip_protocol(path)) if path else ""
        self.forget(Reference.parse(resource).resource if resource else None)

    def forget(self, resource: ResourceName | None) -> None:
        """Ask anew about a resource, or about all."""
        self.dircache.clear()
        self._session.forget(resource)

    def info(self, path: str, **_: object) -> Info:
        """Return name, size and type; of files also `sha256`, and the `version` and `created` of their version."""
        path = self._strip_protocol(path)
        try:
            known: list[Info] = self.dircache[self._parent(path)]
        except KeyError:
            known = []
        with python_errors():
            return next((one for one in known if one["name"] == path), None) or self._listing.info(path)

    def ls(self, path: str, detail: bool = True, **_: object) -> list[Any]:  # noqa: FBT001, FBT002 -- fsspec's
        """Return what is right in a folder. Folders in it are not looked into: large ones cost nothing."""
        path = self._strip_protocol(path)
        try:
            found: list[Info] = self.dircache[path]
        except KeyError:
            with python_errors():
                found = list(self._listing.within(path))
            self.dircache[path] = found
        return list(found) if detail else [one["name"] for one in found]

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,  # noqa: FBT001, FBT002 -- fsspec's
        detail: bool = False,  # noqa: FBT001, FBT002 -- fsspec's
        **options: object,
    ) -> Any:  # noqa: ANN401 -- as `detail` wants it
        """Return all files below a path, in one listing; with `detail`, what `info` says of them."""
        path = self._strip_protocol(path)
        if maxdepth is not None or not resource_part(path):
            return super().find(path, maxdepth, withdirs, detail, **options)
        try:
            with python_errors():
                found = {one["name"]: one for one in self._listing.files(path)}
        except FileNotFoundError:
            found = {}
        if withdirs:
            found = dict(sorted((self._folders(path, found) | found).items()))
        return found if detail else list(found)

    def _folders(self, top: str, files: dict[str, Info]) -> dict[str, Info]:
        """Return `top` and the folders on the way from it to the files."""
        found: dict[str, Info] = {}
        for name in files:
            folder = self._parent(name)
            while len(folder) >= len(top) and folder not in found:
                found[folder] = folder_info(folder)
                folder = self._parent(folder)
        return found

    def checksum(self, path: str) -> int:
        """Return the file's SHA-256 as a number: the same for the same content, wherever it is."""
        return int(self.info(path)["sha256"], 16)

    def created(self, path: str) -> datetime:
        """Return when the file's version was published."""
        moment: datetime = self.info(path)["created"]
        return moment

    modified = created

    def sign(self, path: str, expiration: int = 100, **_: object) -> str:
        """Return a stream link to a file, good for so many seconds for whoever has it."""
        with python_errors():
            wanted = Reference.parse(self._strip_protocol(path))
            return self.gateway.link(wanted, mode=LinkMode.STREAM, ttl_seconds=expiration).url

    def content(self, path: str) -> RemoteObject:
        """Return the file at a path, to be read at any place by any thread of this process."""
        with python_errors():
            return self._session.content(Reference.parse(self._strip_protocol(path)))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: object) -> bytes:
        """Return a file's bytes, from `start` to `end` as in a slice."""
        content = self.content(path)
        first, last, _step = slice(start, end).indices(content.file.size)
        with python_errors():
            return content.read(first, last)

    def cat_ranges(
        self,
        paths: Sequence[str],
        starts: Bounds,
        ends: Bounds,
        max_gap: int | None = None,  # noqa: ARG002 -- segments say what to join
        on_error: str = "return",
        **_: object,
    ) -> list[bytes | Exception]:
        """Return the bytes of many ranges: links in one request, neighbours read together, the others in parallel."""
        first = starts if isinstance(starts, Sequence) else [starts] * len(paths)
        last = ends if isinstance(ends, Sequence) else [ends] * len(paths)
        if not len(paths) == len(first) == len(last):
            raise ValueError("There are not as many starts and ends as paths.")
        wanted = [Reference.parse(self._strip_protocol(path)) for path in paths]
        found = read_ranges(self._session.contents(wanted), first, last)
        if on_error == "raise" and (failed := next((one for one in found if isinstance(one, Exception)), None)):
            raise failed
        return found

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,  # noqa: ARG002, FBT001, FBT002 -- fsspec's
        cache_options: dict[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 -- fsspec's
    ) -> Any:  # noqa: ANN401 -- fsspec's files have no types
        content = self.content(path)
        return ObjectFile(self, path, mode, block_size, content=content, cache_options=cache_options, **options)


def _remake(
    kind: type[ReadingFileSystem], args: tuple[Any, ...], options: dict[str, Any], pins: Pins
) -> ReadingFileSystem:
    return kind(*args, **options).adopt(pins)
