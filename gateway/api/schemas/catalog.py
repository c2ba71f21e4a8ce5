"""Resources, versions, files and tags, as JSON."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, field_validator

from gateway import model
from gateway.api.schemas.wire import Wire
from gateway.broker.browse import Described, Files, Listed


class TagRequest(Wire):
    """The version that a tag shall name."""

    version: Annotated[str, Field(min_length=1, max_length=80)]


class ResourceTagsRequest(Wire):
    """A resource's tags to put and to remove."""

    put: Annotated[dict[str, str], Field(default_factory=dict, max_length=model.MAX_RESOURCE_TAGS)]
    remove: Annotated[list[str], Field(default_factory=list, max_length=model.MAX_RESOURCE_TAGS)]

    @field_validator("put")
    @classmethod
    def _check(cls, tags: dict[str, str]) -> dict[str, str]:
        return dict(model.check_resource_tag(key, value) for key, value in tags.items())


class ResourceTagsOut(Wire):
    """A resource's tags."""

    resource_tags: dict[str, str]


class VersionOut(Wire):
    """A version."""

    number: int
    digest: str
    file_count: int
    total_bytes: int
    published_at: datetime
    published_by: str
    message: str

    @classmethod
    def of(cls, version: model.Version) -> Self:
        """Translate."""
        return cls(
            number=version.number,
            digest=version.digest,
            file_count=version.file_count,
            total_bytes=version.total_bytes,
            published_at=version.published_at,
            published_by=version.published_by,
            message=version.message,
        )


class ListedOut(Wire):
    """A resource in a listing."""

    name: str
    description: str
    latest: VersionOut | None

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """Translate."""
        latest = VersionOut.of(listed.latest) if listed.latest else None
        return cls(name=str(listed.resource.name), description=listed.resource.description, latest=latest)


class ResourcesOut(Wire):
    """Some resources, and the name to go on after."""

    resources: list[ListedOut]
    next: str | None


class ResourceOut(Wire):
    """A resource in full."""

    name: str
    description: str
    created_at: datetime
    created_by: str
    versions: list[VersionOut]
    tags: dict[str, int]
    resource_tags: dict[str, str]

    @classmethod
    def of(cls, described: Described) -> Self:
        """Translate."""
        return cls(
            name=str(described.resource.name),
            description=described.resource.description,
            created_at=described.resource.created_at,
            created_by=described.resource.created_by,
            versions=[VersionOut.of(version) for version in described.versions],
            tags=described.tags,
            resource_tags=dict(described.resource.tags),
        )


class FileOut(Wire):
    """A file of a version."""

    path: str
    size: int
    sha256: str


class FilesOut(Wire):
    """Some files of a version, and the path to go on after."""

    version: VersionOut
    files: list[FileOut]
    next: str | None

    @classmethod
    def of(cls, found: Files) -> Self:
        """Translate."""
        return cls(
            version=VersionOut.of(found.version),
            files=[FileOut(path=f.path, size=f.size, sha256=f.sha256) for f in found.files],
            next=found.next,
        )


class TagOut(Wire):
    """What a tag names."""

    tag: str
    number: int
