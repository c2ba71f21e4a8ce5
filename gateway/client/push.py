"""Publishes local files: encrypted while they go straight to S3, then committed as one version or not at all."""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from gateway.client.answers import UploadSlot
from gateway.client.bulk import BulkTransport
from gateway.client.connection import Connection
from gateway.client.crew import Crew
from gateway.client.progress import Progress
from gateway.client.reference import Reference
from gateway.client.session import PushApi
from gateway.client.snapshot import Snapshot
from gateway.client.source import LocalFile
from gateway.client.upload import Uploader
from gateway.errors import AccessDenied, GatewayError
from gateway.model import ResourceName, Version, VersionRef

_BATCH = 256
"""Objects reserved at a time: few enough that their links are used before they expire."""


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push published."""

    version: Version
    uploaded: int
    """Files whose bytes were sent."""
    uploaded_bytes: int
    kept: int
    """Files whose bytes the newest version had already."""


Others = Callable[[Version | None], Iterable[bytes]]
"""Returns the lines of a commit, beside those of the local files, for the newest version when the push began."""


def no_others(base: Version | None) -> Iterable[bytes]:
    """Return none: the local files are the whole version."""
    del base
    return ()


class Push:
    """One push of local files to a resource."""

    def __init__(
        self, connection: Connection, name: ResourceName, bulk: BulkTransport, progress: Progress, *, threads: int
    ) -> None:
        self._connection = connection
        self._name = name
        self._bulk = bulk
        self._progress = progress
        self._threads = threads
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._uploaded_bytes = 0

    def run(
        self,
        files: Sequence[LocalFile],
        *,
        message: str,
        tags: Sequence[str],
        description: str,
        others: Others = no_others,
    ) -> PushReport:
        """Publish the files as the next version, with the lines of others.

        Raises:
            SourceChanged: a file changed while it was read.
            VersionExists: the newest version is this very content.
            LocalFileError, AccessDenied, Unavailable: as they say. In every case, nothing is published.
        """
        api = PushApi(self._connection, self._name, description=description)
        try:
            fresh = self._keep_known(files, api.session.base)
            self._upload(api, fresh)
            base = api.session.base
            version = api.commit(lambda: chain(self._lines, others(base)), message=message, tags=tags)
        except BaseException:
            with suppress(GatewayError):  # the first failure is the one to tell
                api.abort()
            raise
        return PushReport(version, len(fresh), self._uploaded_bytes, len(files) - len(fresh))

    def _keep_known(self, files: Sequence[LocalFile], base: Version | None) -> list[LocalFile]:
        """Commit by reference what the base version has; return the rest. Only equal sizes are worth a hash."""
        known = self._known(base, {file.size for file in files}) if base else {}
        sizes = {size for _, size in known}
        fresh = []
        for file in files:
            kept = known.get((file.sha256(), file.size)) if file.size in sizes else None
            if base is None or kept is None:
                fresh.append(file)
            else:
                self._add(path=file.path, **{"from": {"version": base.number, "path": kept}})
        return fresh

    def _known(self, base: Version, sizes: set[int]) -> dict[tuple[str, int], str]:
        numbered = Snapshot(self._connection, Reference(self._name, VersionRef(number=base.number)))
        try:
            return {(file.sha256, file.size): file.path for file in numbered.files() if file.size in sizes}
        except AccessDenied:
            return {}  # who may publish but not list sends everything

    def _upload(self, api: PushApi, files: Sequence[LocalFile]) -> None:
        self._progress.expect(len(files), sum(file.size for file in files))
        uploader = Uploader(api, self._bulk, self._progress)
        with Crew(self._threads) as crew:
            for start in range(0, len(files), _BATCH):
                batch = files[start : start + _BATCH]
                for file, slot in zip(batch, api.reserve([file.size for file in batch]), strict=True):
                    if slot.parts > 1:
                        # By this thread, one after the other: parts are parallel, and held in memory.
                        self._sent(file, *uploader.in_parts(file, slot))
                    else:
                        crew.submit(self._upload_whole, uploader, file, slot)

    def _upload_whole(self, uploader: Uploader, file: LocalFile, slot: UploadSlot) -> None:
        self._sent(file, *uploader.whole(file, slot))

    def _sent(self, file: LocalFile, number: int, sha256: str) -> None:
        self._add(path=file.path, size=file.size, sha256=sha256, object=number)
        with self._lock:
            self._uploaded_bytes += file.size
        self._progress.finished(file.path)

    def _add(self, **line: object) -> None:
        with self._lock:
            self._lines.append(json.dumps(line).encode() + b"\n")
