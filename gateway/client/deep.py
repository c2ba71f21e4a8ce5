"""Reads every file of a version and holds it against its manifest: a map over objects, for any executor."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.client.answers import FileLink
from gateway.client.executors import each
from gateway.client.history import FileFault
from gateway.client.reference import Reference
from gateway.client.rewriter import read_back
from gateway.errors import GatewayError, GatewayUnavailable
from gateway.model import LinkMode
from gateway.ports import SealedFile

if TYPE_CHECKING:
    from gateway.client.gateway import Gateway

_TTL_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class _Job:
    """One file to read. Plain values, which may go to another machine."""

    path: str
    file: SealedFile


def check_deep(gateway: "Gateway", reference: Reference, pool: Executor) -> Iterator[FileFault]:
    """Yield the files that do not open, or are not what was published. It takes leave to read them.

    Raises:
        Unavailable: the workers are away; run it again.
    """
    for job, outcome in each(pool, check_one, _jobs(gateway, reference)):
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome:
            yield FileFault(job.path, outcome)


def check_one(job: _Job) -> str:
    """Return what is wrong with the file, or nothing."""
    try:
        read_back(job.file)
    except GatewayError as error:
        return error.message
    return ""


def _jobs(gateway: "Gateway", reference: Reference) -> Iterator[_Job]:
    snapshot = gateway.snapshot(reference)
    for batch in snapshot.batches(reference.path):
        paths = [file.path for file in batch]
        for link in snapshot.links(paths, mode=LinkMode.DIRECT, ttl_seconds=_TTL_SECONDS):
            yield _Job(link.file.path, _sealed(link))


def _sealed(link: FileLink) -> SealedFile:
    if link.object_key is None:
        raise GatewayUnavailable("The gateway gave a direct link without its object key.")
    return SealedFile(link.url, link.object_key, link.key_check, link.file.size, link.file.sha256)
