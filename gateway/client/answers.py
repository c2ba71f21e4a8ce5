"""The gateway's answers as frozen values. Whatever is missing or of the wrong type is refused, never guessed."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from gateway.errors import GatewayError, GatewayUnavailable
from gateway.model import LinkMode, PrincipalKind, ResourceName, Version, check_path

T = TypeVar("T")
Json = Mapping[str, Any]
"""A JSON object, before it was looked at."""


@dataclass(frozen=True, slots=True)
class Me:
    """Who the gateway takes us for."""

    issuer: str
    subject: str
    kind: PrincipalKind
    name: str
    groups: tuple[str, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ResourceSummary:
    """A dataset or model in a listing."""

    name: ResourceName
    description: str
    latest: Version | None


@dataclass(frozen=True, slots=True)
class ResourceDetails:
    """A dataset or model with its versions, newest first, and its tags."""

    name: ResourceName
    description: str
    created_at: datetime
    created_by: str
    versions: tuple[Version, ...]
    tags: Mapping[str, int]
    resource_tags: Mapping[str, str]
    """Such as sensitivity, owner and licence; policies decide by them."""


@dataclass(frozen=True, slots=True, order=True)
class RemoteFile:
    """A file of a version."""

    path: str
    size: int
    """Bytes."""
    sha256: str
    """Hex."""


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some files of a version, in order, and the path to go on after."""

    version: Version
    files: tuple[RemoteFile, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class FileLink:
    """A signed URL to a file, with what opens it."""

    file: RemoteFile
    mode: LinkMode
    url: str = field(repr=False)
    head_url: str = field(repr=False)
    """For a HEAD of the same; empty in a batch."""
    expires_at: datetime
    object_key: bytes | None = field(repr=False)
    """32 bytes; direct links only."""
    key_check: str
    ciphertext_size: int


@dataclass(frozen=True, slots=True)
class LinkPage:
    """Links to files of one version."""

    version: Version
    links: tuple[FileLink, ...]


@dataclass(frozen=True, slots=True)
class PutLink:
    """Where to PUT, and the headers that were signed and are sent as they are."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PartLink:
    """Where to PUT one part of a long object."""

    part: int
    size: int
    """Bytes of ciphertext."""
    link: PutLink


@dataclass(frozen=True, slots=True)
class UploadSlot:
    """An object of a push that we may encrypt and upload."""

    number: int
    object_key: bytes = field(repr=False)
    ciphertext_size: int
    parts: int
    upload: PutLink | None
    """None when the object is uploaded in parts."""


@dataclass(frozen=True, slots=True)
class PushSession:
    """An open push."""

    id: str
    base: Version | None
    """The newest version when the push began."""
    part_bytes: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a key rotation did."""

    kek_version: int
    rewrapped: int
    """Wrapped data keys that now hang on the new KEK version."""


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """A lease, as the gateway tells of it."""

    id: str
    holder: str
    """`<issuer's alias>/<name>`."""
    resources: tuple[ResourceName, ...]
    purpose: str
    created_at: datetime
    expires_at: datetime


def read(parse: Callable[[Json], T], answer: object, url: str) -> T:
    """Return the parsed answer of the gateway at `url`.

    Raises:
        GatewayUnavailable: it is not what this client understands.
    """
    try:
        if not isinstance(answer, Mapping):
            raise TypeError("not an object")  # noqa: TRY301 -- one place turns every fault into one error
        return parse(answer)
    except (KeyError, TypeError, ValueError, GatewayError) as error:
        raise GatewayUnavailable(
            f"{url} gave an answer that this client does not understand ({type(error).__name__}).",
            hint="Check the URL, and that client and gateway are of one release.",
        ) from error


def me(answer: Json) -> Me:
    """Parse `GET /v1/whoami`."""
    expires = answer.get("expires_at")
    return Me(
        issuer=_text(answer["issuer"]),
        subject=_text(answer["subject"]),
        kind=PrincipalKind(answer["kind"]),
        name=_text(answer["name"]),
        groups=tuple(_text(group) for group in answer["groups"]),
        expires_at=_time(expires) if expires else None,
    )


def version(name: ResourceName) -> Callable[[Json], Version]:
    """Return a parser of versions of `name`."""

    def parse(answer: Json) -> Version:
        return Version(
            resource=name,
            number=_count(answer["number"]),
            digest=_text(answer["digest"]),
            file_count=_count(answer["file_count"]),
            total_bytes=_count(answer["total_bytes"]),
            published_at=_time(answer["published_at"]),
            published_by=_text(answer["published_by"]),
            message=_text(answer.get("message", "")),
        )

    return parse


def committed(name: ResourceName) -> Callable[[Json], Version]:
    """Return a parser of what a commit answers."""
    return lambda answer: version(name)(answer["version"])


def summaries(answer: Json) -> tuple[tuple[ResourceSummary, ...], str | None]:
    """Parse `GET /v1/resources`."""
    return tuple(_summary(item) for item in answer["resources"]), answer["next"]


def _summary(answer: Json) -> ResourceSummary:
    name = ResourceName.parse(_text(answer["name"]))
    latest = answer["latest"]
    return ResourceSummary(name, _text(answer["description"]), version(name)(latest) if latest else None)


def details(answer: Json) -> ResourceDetails:
    """Parse `GET /v1/{kind}/{namespace}/{name}`."""
    name = ResourceName.parse(_text(answer["name"]))
    return ResourceDetails(
        name=name,
        description=_text(answer["description"]),
        created_at=_time(answer["created_at"]),
        created_by=_text(answer["created_by"]),
        versions=tuple(version(name)(item) for item in answer["versions"]),
        tags={_text(tag): _count(number) for tag, number in answer["tags"].items()},
        resource_tags=resource_tags(answer),
    )


def resource_tags(answer: Json) -> Mapping[str, str]:
    """Parse `PATCH …/resource-tags`."""
    return {_text(key): _text(value) for key, value in answer["resource_tags"].items()}


def files(name: ResourceName) -> Callable[[Json], FilePage]:
    """Return a parser of a page of files."""
    return lambda answer: FilePage(
        version(name)(answer["version"]), tuple(_file(item) for item in answer["files"]), answer["next"]
    )


def links(name: ResourceName) -> Callable[[Json], LinkPage]:
    """Return a parser of links to files of `name`."""
    return lambda answer: LinkPage(version(name)(answer["version"]), tuple(link(item) for item in answer["links"]))


def link(answer: Json) -> FileLink:
    """Parse one link."""
    key = answer.get("object_key")
    return FileLink(
        file=_file(answer),
        mode=LinkMode(answer["mode"]),
        url=_text(answer["url"]),
        head_url=_text(answer["head_url"]),
        expires_at=_time(answer["expires_at"]),
        object_key=_key(key) if key else None,
        key_check=_text(answer["key_check"]),
        ciphertext_size=_count(answer["ciphertext_size"]),
    )


def push(name: ResourceName) -> Callable[[Json], PushSession]:
    """Return a parser of an opened push to `name`."""

    def parse(answer: Json) -> PushSession:
        base = answer["base"]
        return PushSession(
            _text(answer["push_id"]), version(name)(base) if base else None, _count(answer["part_bytes"])
        )

    return parse


def slots(answer: Json) -> tuple[UploadSlot, ...]:
    """Parse the objects of a push."""
    return tuple(
        UploadSlot(
            number=_count(item["number"]),
            object_key=_key(item["object_key"]),
            ciphertext_size=_count(item["ciphertext_size"]),
            parts=_count(item["parts"]),
            upload=_put(item["upload"]) if item["upload"] else None,
        )
        for item in answer["objects"]
    )


def object_key(answer: Json) -> bytes:
    """Parse the key of the object that links to parts are of."""
    return _key(answer["object_key"])


def parts(answer: Json) -> tuple[PartLink, ...]:
    """Parse links to parts."""
    return tuple(PartLink(_count(item["part"]), _count(item["size"]), _put(item)) for item in answer["links"])


def tagged(answer: Json) -> int:
    """Parse a moved tag: the version's number."""
    return _count(answer["number"])


def rotation(answer: Json) -> Rotation:
    """Parse what a rotation did."""
    return Rotation(_count(answer["kek_version"]), _count(answer["rewrapped"]))


def lease(answer: Json) -> LeaseInfo:
    """Parse a lease."""
    return LeaseInfo(
        id=_text(answer["id"]),
        holder=_text(answer["holder"]),
        resources=tuple(ResourceName.parse(_text(name)) for name in answer["resources"]),
        purpose=_text(answer["purpose"]),
        created_at=_time(answer["created_at"]),
        expires_at=_time(answer["expires_at"]),
    )


def leases(answer: Json) -> tuple[LeaseInfo, ...]:
    """Parse `GET /v1/leases`."""
    return tuple(lease(item) for item in answer["leases"])


def revoked(answer: Json) -> datetime:
    """Parse a revocation: what was issued until then is no longer good."""
    return _time(answer["issued_before"])


def _file(answer: Json) -> RemoteFile:
    return RemoteFile(check_path(_text(answer["path"])), _count(answer["size"]), _text(answer["sha256"]))


def _put(answer: Json) -> PutLink:
    headers = {_text(name): _text(value) for name, value in answer["headers"].items()}
    return PutLink(_text(answer["url"]), headers, _time(answer["expires_at"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("not a count")
    return value


def _time(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def _key(value: object) -> bytes:
    text = _text(value)
    key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(key).decode().rstrip("=") != text:
        raise ValueError("not base64url")
    return key
