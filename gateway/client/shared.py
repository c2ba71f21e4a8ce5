"""What file systems of one caller share in a process: the gateway, the versions that names stand for, opened files.

A fork takes along which versions they are. Sockets and threads stay with the parent; the child makes its own.
"""

import atexit
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from gateway.client.cache import kept_by
from gateway.client.environment import Environment
from gateway.client.gateway import Gateway
from gateway.client.python_errors import python_errors
from gateway.client.reference import Reference
from gateway.client.remote import RemoteObject
from gateway.client.snapshot import PAGE, Snapshot
from gateway.errors import AccessDenied, GatewayError, NotFound
from gateway.model import ResourceName, Version, VersionRef

_OPENED = 256
"""Files whose keys are held, for when they are opened again. Their links are renewed when they are used."""

Named = tuple[ResourceName, VersionRef]
Pins = Mapping[Named, Version]


@dataclass(frozen=True, slots=True)
class Options:
    """What tells one caller from another, beside the environment."""

    url: str | None = None
    profile: str | None = None
    lease: str | None = None
    cache: str | None = None
    """The folder of the cache on disk; none, if it is not set here or by `GATEWAY_CACHE`."""
    cache_bytes: int | None = None


class Session:
    """The shared state of one caller."""

    def __init__(self, options: Options, environment: Environment) -> None:
        self._options = options
        self._environment = environment
        self._process: _Process | None = None

    @property
    def gateway(self) -> Gateway:
        """This process's gateway."""
        return self._own.gateway

    @property
    def pins(self) -> Pins:
        """The versions that names stand for here."""
        return self._process.pins if self._process else {}

    def adopt(self, pins: Pins) -> None:
        """Let names stand for the versions that they stand for elsewhere, where they are not known here."""
        for name, version in pins.items():
            self._own.snapshot(*name, pinned=version)

    def snapshot(self, reference: Reference) -> Snapshot:
        """Return the version of a reference: the same one until `forget`, also when its tag moves."""
        return self._own.snapshot(reference.resource, reference.version)

    def content(self, reference: Reference) -> RemoteObject:
        """Return the file of a reference, to be read."""
        return self._own.content(reference.resource, reference.version, reference.path)

    def contents(self, references: Sequence[Reference]) -> list[RemoteObject | Exception]:
        """Return the files of many references, their links asked for together; or why one cannot be read."""
        return self._own.contents(references)

    def forget(self, resource: ResourceName | None = None) -> None:
        """Let the names of a resource, or all, be asked for anew."""
        self._own.forget(resource)

    def close(self) -> None:
        """Close this process's connections, and forget everything; the next call begins anew."""
        process, self._process = self._process, None
        if process is not None and process.pid == os.getpid():
            process.gateway.close()

    @property
    def _own(self) -> "_Process":
        if self._process is None or self._process.pid != os.getpid():
            cache = kept_by(self._environment, self._options.cache, self._options.cache_bytes)
            gateway = Gateway(self._options.url, profile=self._options.profile, lease=self._options.lease, cache=cache)
            self._process = _Process(gateway, self.pins)
        return self._process


class _Process:
    """What cannot go through a fork, and the pins, which can."""

    def __init__(self, gateway: Gateway, pins: Pins) -> None:
        self.pid = os.getpid()
        self.gateway = gateway
        self._snapshots = {name: self._new(*name, pinned=version) for name, version in pins.items()}
        self.content = lru_cache(_OPENED)(self._content)

    @property
    def pins(self) -> Pins:
        return {name: one.pinned for name, one in tuple(self._snapshots.items()) if one.pinned}

    def snapshot(self, resource: ResourceName, ref: VersionRef, *, pinned: Version | None = None) -> Snapshot:
        return self._snapshots.setdefault((resource, ref), self._new(resource, ref, pinned=pinned))

    def forget(self, resource: ResourceName | None) -> None:
        for name in tuple(self._snapshots):
            if resource in {None, name[0]}:
                self._snapshots.pop(name, None)
        self.content.cache_clear()

    def _new(self, resource: ResourceName, ref: VersionRef, *, pinned: Version | None) -> Snapshot:
        return self.gateway.snapshot(Reference(resource, ref), pinned=pinned)

    def contents(self, references: Sequence[Reference]) -> list[RemoteObject | Exception]:
        opened: dict[Reference, RemoteObject | Exception] = {}
        together: dict[Named, list[Reference]] = defaultdict(list)
        for one in dict.fromkeys(references):
            together[one.resource, one.version].append(one)
        for name, members in together.items():
            for start in range(0, len(members), PAGE):
                opened |= self._opened(name, members[start : start + PAGE])
        return [opened[one] for one in references]

    def _opened(self, name: Named, members: Sequence[Reference]) -> dict[Reference, RemoteObject | Exception]:
        if len(members) > 1:
            with suppress(NotFound, AccessDenied):  # for one of them: then each is asked for by itself
                found = self.gateway.contents(self.snapshot(*name), [one.path for one in members])
                return dict(zip(members, found, strict=True))
        return {one: self._or_why_not(one) for one in members}

    def _or_why_not(self, one: Reference) -> RemoteObject | Exception:
        try:
            with python_errors():
                return self.content(one.resource, one.version, one.path)
        except (GatewayError, OSError) as error:
            return error

    def _content(self, resource: ResourceName, ref: VersionRef, path: str) -> RemoteObject:
        return self.gateway.content(self.snapshot(resource, ref), path)


_sessions: dict[tuple[Options, Environment], Session] = {}


def session_of(options: Options) -> Session:
    """Return the session of these options as the environment is now. File systems in other threads get the same."""
    environment = Environment.read()
    return _sessions.setdefault((options, environment), Session(options, environment))


def close_sessions() -> None:
    """Close what all file systems of this process share."""
    while _sessions:
        _sessions.popitem()[1].close()


atexit.register(close_sessions)
