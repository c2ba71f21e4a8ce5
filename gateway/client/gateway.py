"""The SDK's face: everything that a client can ask of a gateway."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.client import answers
from gateway.client.answers import FileLink, Me, RemoteFile, ResourceDetails, ResourceSummary, Rotation
from gateway.client.bulk import BulkTransport
from gateway.client.cache import DiskCache, kept_by
from gateway.client.caller import find_caller
from gateway.client.connection import Connection, Param
from gateway.client.environment import Environment
from gateway.client.folder import TargetFolder
from gateway.client.fresh import FreshLinks
from gateway.client.history import History
from gateway.client.journal import Journal, journal_place
from gateway.client.keys import Keys
from gateway.client.leases import Leases
from gateway.client.limits import UNLIMITED, LinkLimits
from gateway.client.person import Person, asking, find_person
from gateway.client.policy import Policies
from gateway.client.profile import default_home
from gateway.client.progress import Progress, Silent
from gateway.client.provenance import NOTHING_SAID, Provenance
from gateway.client.pull import Pull, PullReport, plaintext
from gateway.client.push import Others, Push, PushReport
from gateway.client.reference import Reference
from gateway.client.remote import RemoteObject, SeekableFile
from gateway.client.selection import Selection
from gateway.client.snapshot import Snapshot
from gateway.client.source import LocalFile, find_files
from gateway.client.throttle import Throttle
from gateway.client.tokens import TokenSource
from gateway.errors import InvalidPath, UnknownPath
from gateway.model import LinkMode, ResourceKind, ResourceName, RevocationKind, Version, check_tag

THREADS = 8
"""Files that are transferred at a time."""

Named = str | ResourceName
Referred = str | Reference


class Gateway:
    """A gateway, as one caller. Threads may share it; close it after use.

    Without arguments it is the gateway and the login of `gateway login`, or of GATEWAY_URL and GATEWAY_TOKEN, or a
    job's that its platform vouches for. Where the gateway asks for a stronger login, `person` is asked for it, else
    whoever is at the terminal. With a lease's id, links are asked for under it. With a cache, or `GATEWAY_CACHE`,
    what `open` and `pull` read is kept on disk as ciphertext, and not fetched twice.

    >>> from gateway.client import StaticToken
    >>> with Gateway("https://gateway.example/", token_source=StaticToken("made elsewhere")) as gateway:
    ...     gateway.url
    'https://gateway.example'
    """

    def __init__(  # noqa: PLR0913 -- who calls, by keyword
        self,
        url: str | None = None,
        *,
        profile: str | None = None,
        token_source: TokenSource | None = None,
        person: Person | None = None,
        lease: str | None = None,
        cache: DiskCache | None = None,
    ) -> None:
        reached = person or find_person()
        again = asking(reached) if reached else None
        environment = Environment.read()
        self._connection = Connection(*find_caller(url, profile, token_source, environment, log_in_again=again))
        self._bulk = BulkTransport()
        self._lease = lease
        self._cache = cache or kept_by(environment)
        self.leases = Leases(self._connection)
        self.keys = Keys(self._connection)
        self.history = History(self._connection)
        self.policies = Policies(self._connection)

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self._connection.url

    def close(self) -> None:
        """Close the sockets."""
        self._connection.close()
        self._bulk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def whoami(self) -> Me:
        """Return who the gateway takes us for."""
        return answers.read(answers.me, self._connection.get("/v1/whoami"), self.url)

    def resources(self, *, kind: ResourceKind | None = None, namespace: str | None = None) -> Iterator[ResourceSummary]:
        """Yield the datasets and models that we may see, by name."""
        after = None
        while True:
            found = self._connection.get("/v1/resources", kind=kind, namespace=namespace, after=after)
            page, after = answers.read(answers.summaries, found, self.url)
            yield from page
            if after is None:
                return

    def describe(self, resource: Named) -> ResourceDetails:
        """Return a resource with its versions, newest first, and its tags."""
        return answers.read(answers.details, self._connection.get(f"/v1/{_name(resource)}"), self.url)

    def snapshot(self, reference: Referred, *, pinned: Version | None = None) -> Snapshot:
        """Return the version that the reference names, held fast; `pinned` is what it named elsewhere."""
        return Snapshot(self._connection, _reference(reference), lease=self._lease, pinned=pinned)

    def files(self, reference: Referred) -> Iterator[RemoteFile]:
        """Yield the file that the reference names and the files below it, in order; without a path, all."""
        wanted = _reference(reference)
        return self.snapshot(wanted).files(wanted.path)

    def links(
        self,
        reference: Referred,
        paths: Sequence[str],
        *,
        mode: LinkMode = LinkMode.DIRECT,
        ttl_seconds: int = 300,
        limits: LinkLimits = UNLIMITED,
    ) -> tuple[FileLink, ...]:
        """Return a signed link to each path of a version, at most 1,000. The reference's own path is not used."""
        return self.snapshot(reference).links(paths, mode=mode, ttl_seconds=ttl_seconds, limits=limits)

    def link(
        self,
        reference: Referred,
        *,
        mode: LinkMode = LinkMode.STREAM,
        ttl_seconds: int = 300,
        limits: LinkLimits = UNLIMITED,
    ) -> FileLink:
        """Return a signed link to the file that the reference names."""
        wanted = _file_reference(reference)
        return self.links(wanted, [wanted.path], mode=mode, ttl_seconds=ttl_seconds, limits=limits)[0]

    def revoke(
        self, kind: RevocationKind, value: str, *, freeze_seconds: int = 0, before: datetime | None = None
    ) -> datetime:
        """Take back what was given out on this mark, up to `before` or now; while it is frozen, nothing new is given.

        Returns the moment up to which all that was issued is revoked, on every instance within five seconds. Direct
        links that are out cannot be taken back: they end by themselves.
        """
        body = {
            "kind": kind.value,
            "value": value,
            "freeze_seconds": freeze_seconds,
            "issued_before": before.isoformat() if before else None,
        }
        return answers.read(answers.revoked, self._connection.post("/v1/revocations", body, repeatable=True), self.url)

    def push(  # noqa: PLR0913 -- the options of a push, by keyword
        self,
        sources: str | Path | Iterable[str | Path],
        resource: Named,
        *,
        message: str = "",
        tags: Sequence[str] = (),
        description: str = "",
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        threads: int = THREADS,
        limit_rate: int | None = None,
        progress: Progress | None = None,
        provenance: Provenance = NOTHING_SAID,
    ) -> PushReport:
        """Publish local files as the resource's next version, which is made if it is new.

        One folder gives its content; several sources keep their own names. Files that the newest version has already
        are not sent again. Whatever fails, nothing is published; the next push to this resource goes on where one broke
        off, for a day. `include`, `exclude` and `limit_rate` are as for `pull`. `provenance` says which commit and run
        made them, out of which versions.

        Raises:
            VersionExists: the newest version is this very content.
            SourceChanged: a file changed while it was read.
            LocalFileError: there is nothing to publish, or something that cannot be read or is no regular file.
        """
        places = [sources] if isinstance(sources, (str, Path)) else sources
        files = find_files([Path(place) for place in places], Selection(tuple(include), tuple(exclude)))
        tags = [check_tag(tag) for tag in tags]
        name = _name(resource)
        journal = Journal(journal_place(default_home(), self.url, name))
        with closing(BulkTransport(Throttle(limit_rate) if limit_rate else None)) as bulk:
            push = Push(self._connection, name, bulk, progress or Silent(), threads=threads, journal=journal)
            return push.run(files, message=message, tags=tags, description=description, provenance=provenance)

    def publish(
        self,
        resource: Named,
        files: Sequence[LocalFile],
        others: Others,
        *,
        message: str = "",
        tags: Sequence[str] = (),
    ) -> PushReport:
        """Publish local files and the lines of others as the next version (`Edit`). Raises what `push` does."""
        push = Push(self._connection, _name(resource), self._bulk, Silent(), threads=THREADS)
        return push.run(files, message=message, tags=[check_tag(tag) for tag in tags], description="", others=others)

    def pull(  # noqa: PLR0913 -- the options of a pull, by keyword
        self,
        reference: Referred,
        folder: str | Path,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        threads: int = THREADS,
        fsync: bool = False,
        verify: bool = False,
        limit_rate: int | None = None,
        progress: Progress | None = None,
    ) -> PullReport:
        """Fetch the files that the reference names into a folder, below their own paths.

        Files that are there already, byte for byte, are kept. Each file appears whole or not at all. A pull that broke
        off goes on where it was. Of the files, those are meant that match a pattern of `include`, if there are any, and
        none of `exclude`; `*` matches '/' too. With `verify`, each file is read back from the disk before it takes its
        name. `limit_rate` is in bytes a second.

        Raises:
            UnknownPath: the version has no file of this path or below it that is meant.
            DiskFull: there is no room.
            IntegrityError: a file is not what was published.
            LocalFileError: a file cannot be written, or reads back as something else.
            InvalidPath: this system cannot have a file of that name.
        """
        wanted = _reference(reference)
        target = TargetFolder(Path(folder), fsync=fsync, verify=verify)
        selection = Selection(tuple(include), tuple(exclude))
        with closing(BulkTransport(Throttle(limit_rate) if limit_rate else None)) as bulk:
            pull = Pull(
                self.snapshot(wanted),
                target,
                bulk,
                progress or Silent(),
                threads=threads,
                selection=selection,
                cache=self._cache,
            )
            report = pull.run(wanted.path)
        if (wanted.path or not selection.is_all) and not report.pulled + report.kept:
            raise _no_such_path(wanted, selection)
        return report

    def open(self, reference: Referred, *, buffer_bytes: int = 1 << 20) -> io.BufferedReader:
        """Open the file that the reference names: seekable, read from S3 as needed, and ahead of who reads on."""
        wanted = _file_reference(reference)
        return io.BufferedReader(SeekableFile(self.content(self.snapshot(wanted), wanted.path)), buffer_bytes)

    def content(self, snapshot: Snapshot, path: str) -> RemoteObject:
        """Return a file of a snapshot, to be read at any place by any thread."""
        return RemoteObject(self._bulk, FreshLinks(snapshot, [path]), path, self._cache)

    def contents(self, snapshot: Snapshot, paths: Sequence[str]) -> list[RemoteObject]:
        """Return files of a snapshot, at most 1,000, whose links are asked for together."""
        links = FreshLinks(snapshot, paths)
        return [RemoteObject(self._bulk, links, path, self._cache) for path in paths]

    def read(self, reference: Referred) -> Iterator[bytes]:
        """Yield a file's bytes in order.

        Raises:
            IntegrityError: a segment is not what was written, or, at the end, the whole is not what was published.
        """
        links, file = self._one(reference)
        return plaintext(self._bulk, links, file)

    def tag(self, reference: Referred, tag: str) -> int:
        """Make the tag name the version that the reference names now; return its number."""
        wanted = _reference(reference)
        body = {"version": str(wanted.version)}
        found = self._connection.put(f"/v1/{wanted.resource}/tags/{check_tag(tag)}", body)
        return answers.read(answers.tagged, found, self.url)

    def tag_resource(
        self, resource: Named, put: Mapping[str, str] | None = None, *, remove: Sequence[str] = ()
    ) -> Mapping[str, str]:
        """Put and remove tags such as sensitivity, owner and licence; return what the resource has then."""
        body = {"put": dict(put or {}), "remove": list(remove)}
        found = self._connection.patch(f"/v1/{_name(resource)}/resource-tags", body)
        return answers.read(answers.resource_tags, found, self.url)

    def rotate_keys(self, resource: Named) -> Rotation:
        """Add a version to the resource's KEK and rewrap its data keys under it. No file is touched."""
        found = self._connection.post(f"/v1/{_name(resource)}/keys:rotate", {}, repeatable=False)
        return answers.read(answers.rotation, found, self.url)

    def audit_lines(self, *, after: int | None = None, limit: int | None = None) -> Iterator[bytes]:
        """Yield the journal's own lines after a sequence number, without their ends."""
        return self._connection.lines("/v1/audit/events", after=after, limit=limit)

    def audit_search(self, /, **asked: Param) -> answers.Json:
        """Return a page of audit events, as `GET /v1/audit/events:search` answers to these parameters."""
        found = self._connection.get("/v1/audit/events:search", **asked)
        return answers.read(dict, found, self.url)

    def audit_sinks(self) -> answers.Json:
        """Return how each sink of the gateway is doing."""
        return answers.read(dict, self._connection.get("/v1/audit/sinks"), self.url)

    def _one(self, reference: Referred) -> tuple[FreshLinks, RemoteFile]:
        wanted = _file_reference(reference)
        links = FreshLinks(self.snapshot(wanted), [wanted.path])
        return links, links.link(wanted.path).file


def _name(resource: Named) -> ResourceName:
    return resource if isinstance(resource, ResourceName) else ResourceName.parse(resource)


def _reference(reference: Referred) -> Reference:
    return reference if isinstance(reference, Reference) else Reference.parse(reference)


def _file_reference(reference: Referred) -> Reference:
    wanted = _reference(reference)
    if not wanted.path:
        raise InvalidPath(f"{wanted} names no file.", hint=f"'gateway ls {wanted}' lists its files.")
    return wanted


def _no_such_path(wanted: Reference, selection: Selection) -> UnknownPath:
    whole = Reference(wanted.resource, wanted.version)
    what = f"no file {wanted.path!r}" if wanted.path else "no file"
    meant = "" if selection.is_all else " that the patterns mean"
    return UnknownPath(f"{whole} has {what}{meant}.", hint=f"'gateway ls {whole}' lists its files.")
