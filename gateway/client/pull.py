"""Pulls a version's files: straight from S3, decrypted and verified on the way, each whole on disk or not at all.

Short files go in bundles, a thread each. A long file belongs to one thread, which fetches it range by range; once no
more files come, threads that have nothing to do take ranges of what is left. A pull that was killed goes on.
"""

import hashlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from gateway.client.answers import RemoteFile
from gateway.client.assembly import Assembly
from gateway.client.bulk import BulkTransport
from gateway.client.cache import DiskCache
from gateway.client.cached import CachedIntake
from gateway.client.ciphertext import naming
from gateway.client.crew import Crew
from gateway.client.folder import TargetFolder
from gateway.client.fresh import FreshLinks, linked_pages
from gateway.client.intake import Intake
from gateway.client.progress import Progress
from gateway.client.selection import ALL, Selection
from gateway.client.snapshot import PAGE, Snapshot
from gateway.envelope import SEGMENT_BYTES
from gateway.errors import ContentMismatch, IntegrityError
from gateway.model import Version

_LONG_BYTES = 8 * SEGMENT_BYTES
"""From here on a file is put together from ranges, and resumed; a shorter one is fetched again."""
_BUNDLE_FILES = 32
_BUNDLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull did."""

    version: Version
    pulled: int
    """Files fetched."""
    pulled_bytes: int
    kept: int
    """Files that were in the folder already, byte for byte."""


class Pull:
    """One pull of a snapshot into a folder."""

    def __init__(  # noqa: PLR0913 -- from where, to where, and how
        self,
        snapshot: Snapshot,
        folder: TargetFolder,
        bulk: BulkTransport,
        progress: Progress,
        *,
        threads: int,
        selection: Selection = ALL,
        cache: DiskCache | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._cache = cache
        self._folder = folder
        self._bulk = bulk
        self._progress = progress
        self._threads = threads
        self._selection = selection
        self._lock = threading.Lock()
        self._opened = False
        self._long: list[tuple[FreshLinks, Assembly]] = []
        self._pulled = self._pulled_bytes = self._kept = 0

    def run(self, path: str = "") -> PullReport:
        """Pull the file at `path` and the files below it, or all files.

        Raises:
            DiskFull: there is no room for them; said before the first byte, or when the disk fills up meanwhile.
            LocalFileError: a file cannot be written.
            IntegrityError: a file is not what was published; it does not appear.
            what the gateway and S3 refuse or fail to do.
        """
        fresh = self._folder.is_new
        self._require_space(path)
        done = False
        try:
            with Crew(self._threads, ahead=PAGE, on_stop=self._bulk.interrupt) as crew:
                self._intake = self._take_in(crew.check)
                for files, links in self._pages(path, fresh=fresh):
                    self._submit(crew, files, links)
                for links, assembly in self._long * self._threads:
                    crew.submit(self._help, links, assembly)
            done = True
        finally:
            self._folder.close(done=done)
        return PullReport(self._snapshot.version, self._pulled, self._pulled_bytes, self._kept)

    def _take_in(self, check: Callable[[], None]) -> Intake:
        return CachedIntake(self._bulk, self._cache, check=check) if self._cache else Intake(self._bulk, check=check)

    def _require_space(self, path: str) -> None:
        if not path and self._snapshot.version.total_bytes <= self._folder.free():
            return  # the common case, without listing every file first
        listed = (file for file in self._snapshot.files(path) if self._selection.takes(file.path))
        self._folder.require_space(sum(max(0, f.size - self._folder.size_held(f)) for f in listed))

    def _pages(self, path: str, *, fresh: bool) -> Iterator[tuple[list[RemoteFile], FreshLinks]]:
        """Yield what is to be fetched, with links to it, as many files at a time as one request takes.

        Into a new folder all files go: then one request gives a page's files and links. Else links are asked for to
        what is missing alone, as each is on record as read.
        """
        if fresh and not path and self._selection.is_all:
            yield from linked_pages(self._snapshot, "")
            return
        for batch in self._snapshot.batches(path):
            wanted = [file for file in batch if self._selection.takes(file.path) and not self._is_kept(file)]
            yield wanted, FreshLinks(self._snapshot, [file.path for file in wanted])

    def _is_kept(self, file: RemoteFile) -> bool:
        kept = self._folder.holds(file)
        self._kept += kept
        return kept

    def _submit(self, crew: Crew, files: list[RemoteFile], links: FreshLinks) -> None:
        if files and not self._opened:
            self._folder.open()
            self._opened = True
        for file in files:
            self._folder.require_apart(file)
        short = [file for file in files if file.size < _LONG_BYTES]
        self._progress.expect(len(files), sum(file.size for file in short))
        for file in files:
            if file.size >= _LONG_BYTES:
                self._begin_long(crew, links, file)
        for bundle in _bundled(short):
            crew.submit(self._pull_short, links, bundle)

    def _pull_short(self, links: FreshLinks, files: list[RemoteFile]) -> None:
        for file in files:
            with naming(file.path), closing(self._verified(links, file)) as pieces:
                self._folder.write(file, pieces)
            self._finished(links, file)

    def _verified(self, links: FreshLinks, file: RemoteFile) -> Generator[memoryview, None, None]:
        """Yield the plaintext of a short file. Only the end proves the whole."""
        digest = hashlib.sha256()
        with closing(self._intake.segments(links, file.path)) as segments:
            for _, plaintext in segments:
                digest.update(plaintext)
                yield plaintext
                self._progress.moved(len(plaintext))
        if digest.hexdigest() != file.sha256:
            raise _mismatch()

    def _begin_long(self, crew: Crew, links: FreshLinks, file: RemoteFile) -> None:
        assembly = self._folder.assemble(file)
        self._progress.expect(0, assembly.missing_bytes)
        self._long = [one for one in self._long if not one[1].is_over] + [(links, assembly)]
        crew.submit(self._help, links, assembly)

    def _help(self, links: FreshLinks, assembly: Assembly) -> None:
        """Fetch ranges of a long file until none is left; whoever sees the last one come ends it."""
        file = assembly.file
        try:
            with naming(file.path), self._folder.writing(file):
                while claimed := assembly.claim():
                    self._fetch_range(links, assembly, claimed)
                if not assembly.take_end():
                    return
                if not assembly.is_right():
                    if not assembly.resumed:
                        raise _mismatch()
                    assembly.start_again()
        except IntegrityError:
            assembly.discard()
            raise
        if not assembly.is_over:
            self._help(links, assembly)
            return
        self._folder.finish(assembly)
        self._finished(links, file)

    def _fetch_range(self, links: FreshLinks, assembly: Assembly, claimed: tuple[int, int]) -> None:
        start, end = claimed
        wanted = self._intake.segments(links, assembly.file.path, start=start, end=end)
        with assembly.writing() as pen, closing(wanted) as segments:
            for index, plaintext in segments:
                pen.write(index, plaintext)
                self._progress.moved(len(plaintext))

    def _finished(self, links: FreshLinks, file: RemoteFile) -> None:
        links.done(file.path)
        with self._lock:
            self._pulled += 1
            self._pulled_bytes += file.size
        self._progress.finished(file.path)


def plaintext(bulk: BulkTransport, links: FreshLinks, file: RemoteFile) -> Iterator[bytes]:
    """Yield the file's bytes, a segment at a time. Only the end of the iteration proves the whole.

    Raises:
        WrongKey: before anything is read.
        CiphertextTampered, CiphertextTruncated: a segment is not what was written; nothing of it is released.
        ContentMismatch: all segments are good, and the whole is not the file that was published.
    """
    digest = hashlib.sha256()
    with closing(Intake(bulk, check=lambda: None).segments(links, file.path)) as segments:
        for _, piece in segments:
            digest.update(piece)
            yield bytes(piece)
    if digest.hexdigest() != file.sha256:
        raise _mismatch()


def _mismatch() -> ContentMismatch:
    return ContentMismatch(
        "the content is not the one that was published.", hint="Tell whoever published it; nothing was kept."
    )


def _bundled(files: Iterable[RemoteFile]) -> Iterator[list[RemoteFile]]:
    """Yield short files in bundles that are worth a thread's turn.

    >>> [len(bundle) for bundle in _bundled(RemoteFile(f"{n}", 600_000, "") for n in range(3))]
    [2, 1]
    """
    bundle: list[RemoteFile] = []
    for file in files:
        bundle.append(file)
        if len(bundle) == _BUNDLE_FILES or sum(f.size for f in bundle) >= _BUNDLE_BYTES:
            yield bundle
            bundle = []
    if bundle:
        yield bundle
