"""Publishes local files: encrypted while they go straight to S3, then committed as one version or not at all."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from gateway.client.answers import PushSession
from gateway.client.bulk import BulkTransport
from gateway.client.connection import Connection
from gateway.client.crew import Crew
from gateway.client.journal import Journal
from gateway.client.progress import Progress
from gateway.client.provenance import NOTHING_SAID, Provenance
from gateway.client.reference import Reference
from gateway.client.session import PushApi, open_push
from gateway.client.snapshot import Snapshot
from gateway.client.source import LocalFile
from gateway.client.upload import Slot, Uploader
from gateway.errors import (
    AccessDenied,
    Conflict,
    GatewayError,
    IncompleteUpload,
    InvalidInput,
    NotFound,
    PushClosed,
    UnknownPush,
)
from gateway.model import ResourceName, Version, VersionRef

_BATCH = 256
_BATCH_BYTES = 1 << 30
"""Objects reserved at a time, and their bytes: few enough that their links are used before they expire."""
_OVER = (AccessDenied, Conflict, InvalidInput, NotFound)
"""What a push does not come back from; after anything else, the next one goes on where it was."""


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
    """One push of local files to a resource. With a journal, it goes on where one that was killed has come."""

    def __init__(  # noqa: PLR0913 -- what, to where, and how
        self,
        connection: Connection,
        name: ResourceName,
        bulk: BulkTransport,
        progress: Progress,
        *,
        threads: int,
        journal: Journal | None = None,
    ) -> None:
        self._connection = connection
        self._name = name
        self._bulk = bulk
        self._progress = progress
        self._threads = threads
        self._journal = journal or Journal(None)
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._uploaded = self._uploaded_bytes = 0

    def run(  # noqa: PLR0913 -- what is said of a version, by keyword
        self,
        files: Sequence[LocalFile],
        *,
        message: str,
        tags: Sequence[str],
        description: str,
        others: Others = no_others,
        provenance: Provenance = NOTHING_SAID,
    ) -> PushReport:
        """Publish the files as the next version, with the lines of others.

        Raises:
            SourceChanged: a file changed while it was read.
            VersionExists: the newest version is this very content.
            LocalFileError, AccessDenied, Unavailable: as they say. In every case, nothing is published.
        """
        coming = _Coming(files, message, tags, others, provenance)
        over = False
        session = self._journal.open()
        try:
            version = self._go_on(session, coming) if session else None
            version = version or self._begin(coming, description)
            over = True
        except _OVER:
            over = True
            raise
        finally:
            self._journal.close(done=over or self._journal.is_empty)
        return PushReport(version, self._uploaded, self._uploaded_bytes, len(files) - self._uploaded)

    def _go_on(self, session: PushSession, coming: "_Coming") -> Version | None:
        """Return the version, or None if the gateway or S3 has forgotten the push."""
        try:
            return self._publish(PushApi(self._connection, self._name, session), self._newest(), coming)
        except (UnknownPush, PushClosed, IncompleteUpload):
            self._lines.clear()
            self._uploaded = self._uploaded_bytes = 0
            return None

    def _begin(self, coming: "_Coming", description: str) -> Version:
        session = open_push(self._connection, self._name, description=description)
        self._journal.begin(session)
        return self._publish(PushApi(self._connection, self._name, session), session.base, coming)

    def _publish(self, api: PushApi, base: Version | None, coming: "_Coming") -> Version:
        try:
            self._upload(api, self._keep_known(self._keep_sent(coming.files), base))
            return api.commit(
                lambda: chain(self._lines, coming.others(base)),
                message=coming.message,
                tags=coming.tags,
                provenance=coming.provenance,
            )
        except BaseException as error:
            if isinstance(error, _OVER) or self._journal.is_empty:
                with suppress(GatewayError):  # the first failure is the one to tell
                    api.abort()
            raise

    def _newest(self) -> Version | None:
        """Return the newest version at this moment: it may be newer than when the push began."""
        try:
            return Snapshot(self._connection, Reference(self._name)).version
        except (AccessDenied, NotFound):
            return None

    def _keep_sent(self, files: Sequence[LocalFile]) -> list[LocalFile]:
        """Commit what an earlier run has sent; return the rest."""
        rest = []
        for file in files:
            if found := self._journal.find(file):
                self._count(file, *found)
            else:
                rest.append(file)
        return rest

    def _keep_known(self, files: Sequence[LocalFile], base: Version | None) -> list[LocalFile]:
        """Commit by reference what the base version has; return the rest. Only equal sizes are worth a hash."""
        known = self._known(base, {file.size for file in files}) if base and files else {}
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
        crew = Crew(self._threads, ahead=_BATCH, on_stop=self._bulk.interrupt)
        uploader = Uploader(api, self._bulk, self._progress, self._journal, check=crew.check)
        long = [file for file in files if uploader.is_long(file)]
        short = [file for file in files if not uploader.is_long(file)]
        with crew:
            for file in long:
                crew.submit(self._send_long, uploader, file)
            for batch in batched(short):
                for file, slot in zip(batch, uploader.reserve(batch), strict=True):
                    crew.submit(self._send_short, uploader, file, slot)

    def _send_long(self, uploader: Uploader, file: LocalFile) -> None:
        self._sent(file, *uploader.in_parts(file))

    def _send_short(self, uploader: Uploader, file: LocalFile, slot: Slot) -> None:
        self._sent(file, *uploader.whole(file, slot))

    def _sent(self, file: LocalFile, number: int, sha256: str) -> None:
        self._journal.sent(file, number, sha256)
        self._count(file, number, sha256)
        self._progress.finished(file.path)

    def _count(self, file: LocalFile, number: int, sha256: str) -> None:
        self._add(path=file.path, size=file.size, sha256=sha256, object=number)
        with self._lock:
            self._uploaded += 1
            self._uploaded_bytes += file.size

    def _add(self, **line: object) -> None:
        with self._lock:
            self._lines.append(json.dumps(line).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class _Coming:
    """The version that is to be."""

    files: Sequence[LocalFile]
    message: str
    tags: Sequence[str]
    others: Others
    provenance: Provenance


def batched(files: Sequence[LocalFile]) -> Iterator[list[LocalFile]]:
    """Yield the files in batches whose links to upload are used before they expire."""
    batch: list[LocalFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) == _BATCH or size + file.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch
