"""The client: what a person or a job needs to publish and read, without a server package.

It prints nothing, but for what a person at the terminal must do to log in again.
"""

from gateway.client.answers import (
    FileLink,
    LeaseInfo,
    Me,
    RemoteFile,
    ResourceDetails,
    ResourceSummary,
    Rotation,
)
from gateway.client.asynchronous import AsyncGateway
from gateway.client.cache import DiskCache
from gateway.client.dpop import ProofKey
from gateway.client.gateway import Gateway
from gateway.client.limits import LinkLimits
from gateway.client.person import Person
from gateway.client.progress import Progress
from gateway.client.provenance import Provenance
from gateway.client.pull import PullReport
from gateway.client.push import PushReport
from gateway.client.reference import Reference
from gateway.client.tokens import Credential, StaticToken, TokenSource

__all__ = [
    "AsyncGateway",
    "Credential",
    "DiskCache",
    "FileLink",
    "Gateway",
    "LeaseInfo",
    "LinkLimits",
    "Me",
    "Person",
    "Progress",
    "ProofKey",
    "Provenance",
    "PullReport",
    "PushReport",
    "Reference",
    "RemoteFile",
    "ResourceDetails",
    "ResourceSummary",
    "Rotation",
    "StaticToken",
    "TokenSource",
]
