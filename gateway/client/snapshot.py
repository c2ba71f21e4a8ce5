"""One version of a resource, held fast: tags may move while it is listed and pulled, and it stays the same version."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar, cast
from urllib.parse import quote

from gateway.client import answers
from gateway.client.answers import FileLink, RemoteFile
from gateway.client.batch import LinkBatch, read_batch
from gateway.client.connection import Connection
from gateway.client.limits import UNLIMITED, LinkLimits
from gateway.client.reference import Reference
from gateway.errors import GatewayUnavailable
from gateway.model import LinkMode, Version

PAGE = 1000
"""Files that one request lists or links at most."""
_PATHS_BYTES = 500_000
"""Bytes of paths in one request for links, so that its body stays below a server's limit of 1 MiB."""

_LAST = "\U0010ffff"
"""No name in a folder sorts behind it."""


class _OfVersion(Protocol):
    @property
    def version(self) -> Version: ...


Page = TypeVar("Page", bound=_OfVersion)


class Snapshot:
    """The version that a reference names when it is first asked for. Threads may share it."""

    def __init__(
        self, connection: Connection, reference: Reference, *, lease: str | None = None, pinned: Version | None = None
    ) -> None:
        self._connection = connection
        self._lease = lease
        self._name = reference.resource
        self._asked = str(reference.version)
        self._pinned = pinned
        self._lock = threading.Lock()

    @property
    def version(self) -> Version:
        """The version."""
        return self._pinned or self._page("", "", 1).version

    @property
    def pinned(self) -> Version | None:
        """The version, if it was asked for already."""
        return self._pinned

    def files(self, path: str = "") -> Iterator[RemoteFile]:
        """Yield the file at `path` and the files below it, or all files, in order."""
        if not path:
            yield from self._below("")
            return
        yield from (file for file in self._page(path, "", 1).files if file.path == path)
        yield from self._below(f"{path}/")

    def look(self, path: str) -> RemoteFile | bool:
        """Return the file at `path`; else, whether there is a folder. Mostly in one request."""
        first = next(iter(self._page(path, "", 1).files), None)
        if first is None or first.path == path:
            return first or False
        # 'a-b' sorts between 'a' and 'a/b'.
        return first.path.startswith(f"{path}/") or bool(self._page(f"{path}/", "", 1).files)

    def listing(self, folder: str = "") -> Iterator[RemoteFile | str]:
        """Yield the files right in a folder, and the paths of the folders in it. What those hold is passed over."""
        prefix = f"{folder}/" if folder else ""
        inner, after = "", cast("str | None", "")
        while after is not None:
            page = self._page(prefix, after, PAGE)
            for file in page.files:
                name, slash, _ = file.path.removeprefix(prefix).partition("/")
                if not slash:
                    yield file
                elif inner != f"{prefix}{name}/":
                    inner = f"{prefix}{name}/"
                    yield f"{prefix}{name}"
            after = page.next
            if after and inner and after.startswith(inner):
                after = f"{inner}{_LAST}"

    def batches(self, path: str = "") -> Iterator[list[RemoteFile]]:
        """Yield the same files, as many at a time as one request for links takes."""
        yield from batched(self.files(path))

    def links(
        self, paths: Sequence[str], *, mode: LinkMode, ttl_seconds: int, limits: LinkLimits = UNLIMITED
    ) -> tuple[FileLink, ...]:
        """Return a link to each path, in their order. At most `PAGE`."""
        body = {"paths": list(paths), "mode": mode.value, "ttl_seconds": ttl_seconds, **limits.fields()}
        if self._lease is not None:
            body["lease"] = self._lease

        def ask(ref: str) -> answers.LinkPage:
            url = self._connection.url
            return answers.read(
                answers.links(self._name), self._connection.post(self._url(ref, "links"), body, repeatable=True), url
            )

        by_path = {link.file.path: link for link in self._held(ask).links}
        if missing := [path for path in paths if path not in by_path]:
            raise GatewayUnavailable(f"{self._connection.url} gave no link for {missing[0]!r}.")
        return tuple(by_path[path] for path in paths)

    def linked(self, prefix: str, after: str, *, ttl_seconds: int) -> LinkBatch:
        """Return direct links to the first files below a prefix, behind the path `after`. At most `PAGE`."""
        body: dict[str, object] = {"resource": str(self._name), "prefix": prefix, "after": after, "limit": PAGE}
        body |= {"mode": LinkMode.DIRECT.value, "ttl_seconds": ttl_seconds}
        if self._lease is not None:
            body["lease"] = self._lease

        def ask(ref: str) -> LinkBatch:
            lines = self._connection.post_for_lines("/v1/links:batch", {**body, "version": ref})
            return read_batch(self._name, lines, self._connection.url)

        return self._held(ask)

    def _below(self, prefix: str) -> Iterator[RemoteFile]:
        after: str | None = ""
        while after is not None:
            page = self._page(prefix, after, PAGE)
            yield from page.files
            after = page.next

    def _page(self, prefix: str, after: str, limit: int) -> answers.FilePage:
        def ask(ref: str) -> answers.FilePage:
            found = self._connection.get(
                self._url(ref, "files"), prefix=prefix or None, after=after or None, limit=limit
            )
            return answers.read(answers.files(self._name), found, self._connection.url)

        return self._held(ask)

    def _held(self, ask: Callable[[str], Page]) -> Page:
        """Ask for what the caller asked for, as policy may know it by its tag; by number once the tag has moved."""
        page = ask(self._asked)
        with self._lock:
            self._pinned = self._pinned or page.version
            if page.version.number == self._pinned.number:
                return page
            self._asked = f"v{self._pinned.number}"
        return ask(self._asked)

    def _url(self, ref: str, what: str) -> str:
        return f"/v1/{self._name}/versions/{quote(ref, safe=':')}/{what}"


def batched(files: Iterator[RemoteFile]) -> Iterator[list[RemoteFile]]:
    """Yield the files in lists that one request for links can take.

    >>> [len(batch) for batch in batched(RemoteFile(f"{n}", 0, "") for n in range(1001))]
    [1000, 1]
    """
    batch: list[RemoteFile] = []
    size = 0
    for file in files:
        # JSON escapes what is not ASCII: 'é' takes six bytes there.
        length = 6 * len(file.path) + 4 if not file.path.isascii() else len(file.path) + 4
        if batch and (len(batch) == PAGE or size + length > _PATHS_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += length
    if batch:
        yield batch
