"""The client: what a person or a job needs to publish and read. Prints nothing, and needs no server package."""

from gateway.client.answers import (
    FileLink,
    Me,
    RemoteFile,
    ResourceDetails,
    ResourceSummary,
    Rotation,
)
from gateway.client.gateway import Gateway
from gateway.client.progress import Progress
from gateway.client.pull import PullReport
from gateway.client.push import PushReport
from gateway.client.reference import Reference
from gateway.client.tokens import StaticToken, TokenSource

__all__ = [
    "FileLink",
    "Gateway",
    "Me",
    "Progress",
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
