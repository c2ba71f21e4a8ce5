"""Pushes, their objects and their commits, as JSON."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from gateway import model
from gateway.api.schemas.catalog import VersionOut
from gateway.api.schemas.wire import (
    MAX_BATCH,
    MAX_FILE_BYTES,
    MAX_NUMBER,
    Path,
    Sha256,
    Shown,
    VersionNumber,
    Wire,
    base64url,
)
from gateway.broker.publish import Upload

MAX_PART_BATCH = 100
PlaintextSize = Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
ObjectNumber = Annotated[int, Field(ge=0, le=MAX_NUMBER)]


class PushRequest(Wire):
    """A push to open."""

    description: Shown = ""


class ObjectsRequest(Wire):
    """Plaintext sizes of the files to upload."""

    sizes: Annotated[list[PlaintextSize], Field(min_length=1, max_length=MAX_BATCH)]


class PartsRequest(Wire):
    """Parts of an object to link to."""

    size: PlaintextSize
    parts: Annotated[list[Annotated[int, Field(ge=1, le=10_000)]], Field(min_length=1, max_length=MAX_PART_BATCH)]


class CompleteRequest(Wire):
    """The ETags of an object's parts, in order."""

    etags: Annotated[
        list[Annotated[str, Field(max_length=256, pattern=r"^[\x21-\x7e]+$")]], Field(min_length=1, max_length=10_000)
    ]


class NewFileLine(Wire):
    """A line of a commit: a file whose object was uploaded in this push."""

    path: Path
    size: PlaintextSize
    sha256: Sha256
    object: ObjectNumber


class KeptFileSource(Wire):
    """Where an unchanged file is already."""

    version: VersionNumber
    path: Path


class KeptFileLine(Wire):
    """A line of a commit: a file that an earlier version holds."""

    path: Path
    source: Annotated[KeptFileSource, Field(alias="from")]


class PushOut(Wire):
    """An open push."""

    push_id: str
    expires_at: datetime
    base: VersionOut | None
    part_bytes: int


class PutLinkOut(Wire):
    """Where to PUT, and the headers to send as they are."""

    url: str
    headers: dict[str, str]
    expires_at: datetime

    @classmethod
    def of(cls, link: model.Link) -> Self:
        """Translate."""
        return cls(url=link.url, headers=dict(link.headers), expires_at=link.expires_at)


class UploadOut(Wire):
    """An object that the client may encrypt and upload."""

    number: int
    object_key: str
    ciphertext_size: int
    parts: int
    upload: PutLinkOut | None

    @classmethod
    def of(cls, upload: Upload) -> Self:
        """Translate."""
        return cls(
            number=upload.number,
            object_key=base64url(upload.object_key),
            ciphertext_size=upload.ciphertext_size,
            parts=upload.parts,
            upload=PutLinkOut.of(upload.link) if upload.link else None,
        )


class ObjectsOut(Wire):
    """Objects in the order of the sizes asked for."""

    objects: list[UploadOut]


class PartLinkOut(PutLinkOut):
    """Where to PUT one part."""

    part: int
    size: int


class PartsOut(Wire):
    """Part links, and the key of the object that they are of."""

    object_key: str
    links: list[PartLinkOut]


class CommitOut(Wire):
    """What was published."""

    version: VersionOut
