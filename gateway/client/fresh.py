"""Links that are always fresh: asked for together, renewed together ahead of their expiry, by one thread for all."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from gateway.client.answers import FileLink, RemoteFile
from gateway.client.snapshot import Snapshot
from gateway.errors import GatewayUnavailable
from gateway.model import LinkMode

TTL_SECONDS = 300
_RENEW_AFTER = 0.8
"""The part of its life after which a link is not begun with any more."""


class FreshLinks:
    """Direct links to some files of a snapshot, at most as many as one request takes.

    Their age is measured here, not read from `expires_at`: this machine's clock may be wrong by minutes.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        paths: Iterable[str],
        *,
        ttl_seconds: int = TTL_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._snapshot = snapshot
        self._pending = dict.fromkeys(paths)
        self._ttl = ttl_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._links: dict[str, FileLink] = {}
        self._stale_at = monotonic()

    def link(self, path: str) -> FileLink:
        """Return a link that is young enough to begin with."""
        with self._lock:
            if self._monotonic() >= self._stale_at:
                self._renew()
            return self._links[path]

    def replace(self, refused: FileLink) -> FileLink:
        """Return another link than one that S3 has refused. Of many threads that come with old ones, one renews."""
        with self._lock:
            if self._links[refused.file.path] is refused:
                self._renew()
            return self._links[refused.file.path]

    def done(self, path: str) -> None:
        """Forget the file: its link needs no renewal."""
        with self._lock:
            self._pending.pop(path, None)
            self._links.pop(path, None)

    def take(self, links: Iterable[FileLink], *, asked_at: float) -> None:
        """Begin with links that were asked for at `asked_at`."""
        self._links = {link.file.path: link for link in links}
        self._stale_at = asked_at + _RENEW_AFTER * self._ttl

    def _renew(self) -> None:
        asked_at = self._monotonic()
        links = self._snapshot.links(list(self._pending), mode=LinkMode.DIRECT, ttl_seconds=self._ttl)
        self.take(links, asked_at=asked_at)


def key_of(link: FileLink) -> bytes:
    """Return the object key of a direct link."""
    if link.object_key is None:
        raise GatewayUnavailable("The gateway gave a direct link without its object key.")
    return link.object_key


def linked_pages(
    snapshot: Snapshot, prefix: str, *, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[tuple[list[RemoteFile], FreshLinks]]:
    """Yield the files below a prefix, in order, with links to them: as many at a time as one request gives."""
    after: str | None = ""
    while after is not None:
        asked_at = monotonic()
        batch = snapshot.linked(prefix, after, ttl_seconds=TTL_SECONDS)
        files = [link.file for link in batch.links]
        links = FreshLinks(snapshot, [file.path for file in files], monotonic=monotonic)
        links.take(batch.links, asked_at=asked_at)
        yield files, links
        after = batch.next
