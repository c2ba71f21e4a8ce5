"""Pulls a version's files: straight from S3, decrypted and verified on the way, each whole on disk or not at all."""

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.client.answers import FileLink, RemoteFile
from gateway.client.bulk import BulkTransport
from gateway.client.ciphertext import fetch, naming
from gateway.client.crew import Crew
from gateway.client.folder import TargetFolder
from gateway.client.fresh import FreshLinks
from gateway.client.progress import Progress
from gateway.client.snapshot import Snapshot
from gateway.envelope import decrypt_stream
from gateway.errors import ContentMismatch, GatewayUnavailable
from gateway.model import Version


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

    def __init__(
        self, snapshot: Snapshot, folder: TargetFolder, bulk: BulkTransport, progress: Progress, *, threads: int
    ) -> None:
        self._snapshot = snapshot
        self._folder = folder
        self._bulk = bulk
        self._progress = progress
        self._threads = threads
        self._lock = threading.Lock()
        self._pulled = self._pulled_bytes = self._kept = 0

    def run(self, path: str = "") -> PullReport:
        """Pull the file at `path` and the files below it, or all files.

        Raises:
            DiskFull: there is no room for them; said before the first byte, or when the disk fills up meanwhile.
            LocalFileError: a file cannot be written.
            IntegrityError: a file is not what was published; it does not appear.
            what the gateway and S3 refuse or fail to do.
        """
        self._require_space(path)
        with Crew(self._threads) as crew:
            for batch in self._snapshot.batches(path):
                self._pull_batch(crew, batch)
        return PullReport(self._snapshot.version, self._pulled, self._pulled_bytes, self._kept)

    def _require_space(self, path: str) -> None:
        if not path and self._snapshot.version.total_bytes <= self._folder.free():
            return  # the common case, without listing every file first
        listed = self._snapshot.files(path)
        self._folder.require_space(sum(max(0, f.size - self._folder.size_held(f.path)) for f in listed))

    def _pull_batch(self, crew: Crew, batch: Iterable[RemoteFile]) -> None:
        wanted = [file for file in batch if not self._is_kept(file)]
        self._progress.expect(len(wanted), sum(file.size for file in wanted))
        links = FreshLinks(self._snapshot, [file.path for file in wanted])
        for file in wanted:
            crew.submit(self._pull_file, crew, links, file)

    def _is_kept(self, file: RemoteFile) -> bool:
        kept = self._folder.holds(file)
        self._kept += kept
        return kept

    def _pull_file(self, crew: Crew, links: FreshLinks, file: RemoteFile) -> None:
        with naming(file.path), self._folder.writing(file) as out:
            for piece in plaintext(self._bulk, links, file):
                crew.check()
                out.write(piece)
                self._progress.moved(len(piece))
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
    link = links.link(file.path)
    ciphertext = fetch(bulk, links, file.path)
    digest, size = hashlib.sha256(), 0
    for piece in decrypt_stream(key_of(link), ciphertext, key_check=link.key_check, plaintext_size=file.size):
        digest.update(piece)
        size += len(piece)
        yield piece
    if (size, digest.hexdigest()) != (file.size, file.sha256):
        raise ContentMismatch(
            "the content is not the one that was published.", hint="Tell whoever published it; nothing was kept."
        )


def key_of(link: FileLink) -> bytes:
    """Return the object key of a direct link."""
    if link.object_key is None:
        raise GatewayUnavailable("The gateway gave a direct link without its object key.")
    return link.object_key
