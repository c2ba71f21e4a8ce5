"""Versions and their past: what they were made from, what changed between them, their removal, and what is garbage."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote

from gateway.client import answers
from gateway.client.answers import Json
from gateway.client.connection import Connection
from gateway.client.reference import Reference
from gateway.errors import GatewayError, GatewayUnavailable, by_code
from gateway.model import Input, Output, ResourceName, Version, VersionRef

DAY = timedelta(days=1)
Named = str | ResourceName
Referred = str | Reference


@dataclass(frozen=True, slots=True)
class LoggedVersion:
    """A version with its tags and its lineage."""

    version: Version
    tags: tuple[str, ...]
    inputs: tuple[Input, ...]
    """What it was made from."""
    hidden_inputs: int
    """How many more there are, which we may not see."""
    outputs: tuple[Output, ...]
    """What was made from it, as far as we may see it."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that is not the same in two versions."""

    change: str
    """`added`, `removed` or `changed`."""
    path: str
    old_size: int | None
    new_size: int | None


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection of garbage deleted, or would delete."""

    objects: int
    packs: int
    """Of manifest pages."""
    bytes: int
    pushes: int
    """Pushes that had run out, and were closed."""
    dry_run: bool


@dataclass(frozen=True, slots=True)
class FileFault:
    """A file that is not as it was published; of damaged manifest pages, the first file that they list."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check has looked at, and what it found."""

    version: Version
    files: int
    pages: int
    objects: int
    faults: tuple[FileFault, ...]


class History:
    """The versions of what we may see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def log(self, resource: Named) -> tuple[LoggedVersion, ...]:
        """Return the versions, newest first, each with what it was made from and what was made from it."""
        name = _name(resource)
        found = self._connection.get(f"/v1/{name}/log")
        return answers.read(
            lambda answer: tuple(_logged(name, item) for item in answer["versions"]), found, self._connection.url
        )

    def diff(self, old: Referred, new: VersionRef | str = "latest") -> Iterator[FileChange]:
        """Yield the files that differ from one version to another of the same resource, in the order of their paths."""
        wanted = _reference(old)
        _, *changes, _ = self._lines(_version_url(wanted, "diff"), to=str(new))
        yield from (answers.read(_change, change, self._connection.url) for change in changes)

    def remove(self, reference: Referred) -> None:
        """Remove a version. Its number is never given again; its data goes when garbage is collected.

        Raises:
            Conflict: a tag other than `latest` names it.
        """
        self._connection.delete(_version_url(_reference(reference)))

    def collect(self, resource: Named, *, grace: timedelta = DAY, dry_run: bool = False) -> Collected:
        """Delete what no version of the resource reaches, once it has been so for the grace period."""
        body = {"grace_seconds": int(grace.total_seconds()), "dry_run": dry_run}
        found = self._connection.post(f"/v1/{_name(resource)}/garbage:collect", body, repeatable=True)
        return answers.read(
            lambda answer: Collected(**{field: answer[field] for field in Collected.__slots__}),
            found,
            self._connection.url,
        )

    def check(self, reference: Referred) -> CheckReport:
        """Return whether every page and object of a version is there and has its size. No file is read."""
        wanted = _reference(reference)
        head, *found, end = self._lines(_version_url(wanted, "check"))
        faults = [answers.read(_fault, line, self._connection.url) for line in found if "problem" in line]

        def report(answer: Json) -> CheckReport:
            version = answers.version(wanted.resource)(head["version"])
            return CheckReport(version, answer["files"], answer["pages"], answer["objects"], tuple(faults))

        return answers.read(report, end, self._connection.url)

    def _lines(self, path: str, **params: str) -> list[Json]:
        """Return an answer's lines, whole.

        Raises:
            GatewayUnavailable: it broke off.
            GatewayError: what its last line says.
        """
        lines: list[Json] = [json.loads(line) for line in self._connection.lines(path, **params)]
        if lines and "code" in lines[-1]:
            end = lines[-1]
            raise by_code().get(end["code"], GatewayError)(end["detail"], hint=end["hint"])
        if len(lines) < 2:  # noqa: PLR2004 -- a first and a last
            raise GatewayUnavailable(f"The answer of {self._connection.url} broke off.", hint="Try again.")
        return lines


def _version_url(wanted: Reference, what: str = "") -> str:
    ref = quote(str(wanted.version), safe=":")
    return f"/v1/{wanted.resource}/versions/{ref}" + (f"/{what}" if what else "")


def _logged(name: ResourceName, answer: Json) -> LoggedVersion:
    version = answers.version(name)(answer["version"])
    return LoggedVersion(
        version=replace(version, commit=str(answer["commit"]), run=str(answer["run"])),
        tags=tuple(answer["tags"]),
        inputs=tuple(
            Input(ResourceName.parse(one["name"]), int(one["version"]), one["digest"]) for one in answer["inputs"]
        ),
        hidden_inputs=int(answer["hidden_inputs"]),
        outputs=tuple(Output(ResourceName.parse(one["name"]), int(one["version"])) for one in answer["outputs"]),
    )


def _change(answer: Json) -> FileChange:
    def size(side: Mapping[str, int] | None) -> int | None:
        return side["size"] if side else None

    return FileChange(str(answer["change"]), str(answer["path"]), size(answer["old"]), size(answer["new"]))


def _fault(answer: Json) -> FileFault:
    return FileFault(str(answer["path"]), str(answer["problem"]))


def _name(resource: Named) -> ResourceName:
    return resource if isinstance(resource, ResourceName) else ResourceName.parse(resource)


def _reference(reference: Referred) -> Reference:
    return reference if isinstance(reference, Reference) else Reference.parse(reference)
