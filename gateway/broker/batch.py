"""Issues links by the thousand: one version, a prefix or a list of paths. Memory is that of one page, however many.

Each file is decided; where policy provably says yes to all that a page holds, once for the page. A page's events are
durable before its links leave. Whatever fails on the way ends the answer with its error, and without its last line.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from os.path import commonprefix

from gateway.broker.access import Caller, Grant, refusal_of
from gateway.broker.layout import object_key_in_bucket
from gateway.broker.leases import Hold
from gateway.broker.links import Issuing, bound
from gateway.broker.moved import follow
from gateway.broker.resolve import find_version, known
from gateway.catalog import manifest
from gateway.catalog.cache import Pages
from gateway.catalog.page import Child
from gateway.errors import Conflict, GatewayError, UnknownPath
from gateway.keys.derive import ObjectKeys
from gateway.links.claims import StreamGrant
from gateway.links.restrictions import UNRESTRICTED, Restrictions
from gateway.model import FileEntry, LinkMode, Resource, ResourceName, Version, VersionRef, check_path, marks_of

PAGE = 1000
"""Files that are decided, signed and recorded together."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a batch asks for."""

    name: ResourceName
    ref: VersionRef
    mode: LinkMode
    prefix: str = ""
    paths: Sequence[str] | None = None
    """These, in this order, in place of all below the prefix."""
    after: str = ""
    """The path to go on after."""
    limit: int = 1_000_000
    digest: str | None = None
    """The version that the reference must still name: the one that an earlier batch was of."""
    ttl: timedelta | None = None
    restrictions: Restrictions = UNRESTRICTED
    lease_id: str | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """Links to files that policy allows, which all expire together."""

    entries: Sequence[FileEntry]
    urls: Sequence[str] = field(repr=False)
    object_keys: Sequence[bytes] | None = field(repr=False)
    """With direct links."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that there is no link to, and why."""

    path: str
    error: GatewayError


@dataclass(frozen=True, slots=True)
class End:
    """All that was asked for has been answered; `next` is where to go on if the limit was met before the end."""

    links: int
    refused: int
    next: str | None


Answer = Signed | Refused | End


@dataclass(slots=True)
class _Run:
    """A batch under way."""

    caller: Caller
    wanted: Wanted
    hold: Hold
    resource: Resource
    version: Version
    extra: Mapping[str, str]
    """The condition keys that all its files share."""
    links: int = 0
    refused: int = 0
    last: str = ""

    def resource_of(self, path: str) -> str:
        return f"{self.wanted.name}/{self.wanted.ref}/{path}"

    def resolved(self, path: str) -> str:
        return f"{self.wanted.name}/v{self.version.number}/{path}"


class Batch:
    """The batch use case."""

    def __init__(self, parts: Issuing) -> None:
        self._parts = parts

    async def open(self, caller: Caller, wanted: Wanted) -> tuple[Version, AsyncGenerator[Answer, None]]:
        """Return the version, and then its links as they are signed. A prefix lists files, and so asks for that too.

        Raises:
            AccessDenied: policy lets the caller not list the version.
            NotFound: there is no such resource or version.
            Conflict: the reference names another version by now.
            InvalidInput: a path breaks the rules, or the lifetime is out of bounds.
            UnknownLease, Revoked: the lease does not hold.
        """
        hold = await self._parts.leases.hold(caller, wanted.lease_id, wanted.name)
        found = await self._parts.store.find_resource(wanted.name)
        life = wanted.ttl if wanted.ttl is not None else self._parts.lifetimes.default
        wanted = replace(wanted, ttl=life, paths=_checked(wanted.paths))
        extra = {"gateway:LinkMode": wanted.mode.value, "gateway:LinkTtl": str(int(life.total_seconds()))}
        extra |= hold.context
        opening = self._opening(caller, wanted, found, extra)
        async with self._parts.guard.recorded([opening]):
            lease = hold.require()
            self._parts.lifetimes.true_life(life, caller, lease, now=self._parts.clock())
            bound(wanted.restrictions, wanted.mode, caller, lease)
            resource = known(found, wanted.name)
            version = opening.version = await find_version(self._parts.store, resource, wanted.ref)
            if wanted.digest not in {None, version.digest}:
                raise Conflict(
                    f"{wanted.name}@{wanted.ref} is another version by now.", hint="Name the version by its digest."
                )
            below = opening.request.resource.removeprefix(f"{wanted.name}/{wanted.ref}")
            self._parts.guard.recheck(opening, f"{wanted.name}/v{version.number}{below}")
        return version, self._run(_Run(caller, wanted, hold, resource, version, extra))

    def _opening(self, caller: Caller, wanted: Wanted, found: Resource | None, extra: Mapping[str, str]) -> Grant:
        """Return the request that lets the caller know of the version: to list it, or to read one of the paths."""
        version = f"{wanted.name}/{wanted.ref}"
        if wanted.paths is None:
            return self._parts.guard.ask(caller, "gateway:ListFiles", version, about=found, extra=extra)
        asked = [
            self._parts.guard.ask(caller, "gateway:ReadFile", f"{version}/{path}", about=found, extra=extra)
            for path in wanted.paths
        ]
        return next((grant for grant in asked if grant.decision.allowed), asked[0])

    async def _run(self, run: _Run) -> AsyncGenerator[Answer, None]:
        source = self._listed(run) if run.wanted.paths is None else self._looked_up(run, run.wanted.paths)
        async with aclosing(source) as pages:
            async for page in pages:
                room = run.wanted.limit - run.links - run.refused
                if room <= 0:
                    yield End(run.links, run.refused, run.last)
                    return
                async for answer in self._page(run, page[:room]):
                    yield answer
                if len(page) > room:
                    yield End(run.links, run.refused, run.last)
                    return
        yield End(run.links, run.refused, None)

    async def _listed(self, run: _Run) -> AsyncGenerator[Sequence[FileEntry | Refused], None]:
        root = manifest.root_of(run.version)
        found = manifest.batches(
            root, self._parts.pages_of(run.resource.id), prefix=run.wanted.prefix, after=run.wanted.after
        )
        async with aclosing(found) as batches:
            async for batch in batches:
                for at in range(0, len(batch), PAGE):
                    yield batch[at : at + PAGE]

    async def _looked_up(self, run: _Run, paths: Sequence[str]) -> AsyncGenerator[Sequence[FileEntry | Refused], None]:
        root = manifest.root_of(run.version)
        pages = self._parts.pages_of(run.resource.id)
        rest = iter(paths)
        while part := list(islice(rest, PAGE)):
            yield [await _find(root, path, pages) for path in part]

    async def _page(self, run: _Run, page: Sequence[FileEntry | Refused]) -> AsyncIterator[Answer]:
        """Decide, sign and record a page; policy, revocations, token and lease are asked anew for each."""
        now = self._parts.clock()
        marks = marks_of(run.caller.principal, run.resource.name, lease=run.wanted.lease_id)
        await self._parts.revocations.check(marks, issued_at=now)
        entries, refused, grants = self._decide(run, page)
        entries = await follow(self._parts.moves, run.resource.id, entries)
        signed = await self._sign(run, entries, now) if entries else None
        await self._parts.guard.record(grants)
        run.links += len(entries)
        run.refused += len(refused)
        run.last = page[-1].path
        if signed:
            yield signed
        for one in refused:
            yield one

    def _decide(
        self, run: _Run, page: Sequence[FileEntry | Refused]
    ) -> tuple[Sequence[FileEntry], Sequence[Refused], Sequence[Grant]]:
        """Return the files that there are links to, those that there are none to, and what is to be recorded."""
        sample = self._parts.guard.ask(
            run.caller, "gateway:ReadFile", run.resource_of(""), about=run.resource, extra=run.extra
        )
        sample.version, sample.facts = run.version, self._facts(run)
        files = [entry for entry in page if isinstance(entry, FileEntry)]
        if run.wanted.paths is None and (once := self._decide_once(run, sample, files)):
            return files, [], [once]
        refused: list[Refused] = []
        allowed: list[FileEntry] = []
        grants: list[Grant] = []
        for item in page:
            grant = self._parts.guard.ask_again(sample, run.resource_of(item.path), run.resolved(item.path))
            grants.append(grant)
            if refusal := refusal_of(grant):
                refused.append(Refused(item.path, refusal))
            elif isinstance(item, Refused):
                grant.failure = item.error
                refused.append(item)
            else:
                allowed.append(item)
        return allowed, refused, grants

    def _decide_once(self, run: _Run, sample: Grant, files: Sequence[FileEntry]) -> Grant | None:
        first, last = files[0].path, files[-1].path
        common = commonprefix([first, last])  # noqa: RUF071 -- by character, as policies match; of all between them
        if common == first:
            common = common[:-1]  # what lies below a prefix is longer than it
        grant = self._parts.guard.ask_below(sample, run.resource_of(common), run.resolved(common))
        if grant:
            grant.between = (first, last)
            grant.facts["links"] = len(files)
        return grant

    def _facts(self, run: _Run) -> dict[str, int | str]:
        lease = {"lease": run.wanted.lease_id} if run.wanted.lease_id else {}
        return {"mode": run.wanted.mode.value, "ttl_seconds": int(_life(run).total_seconds()), **lease}

    async def _sign(self, run: _Run, entries: Sequence[FileEntry], now: datetime) -> Signed:
        lease = run.hold.require()
        expires_in = self._parts.lifetimes.true_life(_life(run), run.caller, lease, now=now)
        if run.wanted.mode is LinkMode.STREAM:
            return await self._streamed(run, entries, expires_in)
        resource_id = run.resource.id
        keys = {
            epoch: ObjectKeys(await self._parts.keys.data_key(resource_id, epoch), resource_id)
            for epoch in {entry.epoch for entry in entries}
        }
        where = [object_key_in_bucket(resource_id, entry.object_id) for entry in entries]
        urls, expires_at = self._parts.signer.sign_all("GET", where, expires_in=expires_in)
        return Signed(entries, urls, [keys[entry.epoch].key(entry.object_id) for entry in entries], expires_at)

    async def _streamed(self, run: _Run, entries: Sequence[FileEntry], expires_in: timedelta) -> Signed:
        stream_links = await self._parts.stream_links()
        restrictions = bound(run.wanted.restrictions, run.wanted.mode, run.caller, run.hold.require())
        issued = [
            stream_links.issue(
                StreamGrant(
                    run.caller.principal,
                    run.resource.id,
                    run.resource.name,
                    run.version.number,
                    entry,
                    restrictions=restrictions,
                ),
                expires_in=expires_in,
            )
            for entry in entries
        ]
        return Signed(entries, [link.url for link in issued], None, issued[0].expires_at)


def _checked(paths: Sequence[str] | None) -> Sequence[str] | None:
    return None if paths is None else [check_path(path) for path in paths]


def _life(run: _Run) -> timedelta:
    assert run.wanted.ttl is not None  # noqa: S101 -- `open` set it
    return run.wanted.ttl


async def _find(root: Child, path: str, pages: Pages) -> FileEntry | Refused:
    try:
        return await manifest.lookup(root, path, pages)
    except UnknownPath as error:
        return Refused(path, error)
