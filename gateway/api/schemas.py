"""The JSON that goes over the wire. Requests refuse unknown fields."""

import base64
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway import model
from gateway.broker.batch import Wanted
from gateway.broker.browse import Described, Files, Listed
from gateway.broker.links import IssuedLink
from gateway.broker.publish import Upload
from gateway.envelope import ciphertext_size
from gateway.links.restrictions import MAX_USES, OWN_KEY, Restrictions, parse_network
from gateway.policy import Explanation

MAX_BATCH = 1000
"""Items that one request may ask for."""
MAX_LISTED = 10_000
"""Paths that one batch may list; a prefix has no such limit."""
MAX_LINKS = 1_000_000
"""Links of one batch; its last line says where to go on."""
MAX_PART_BATCH = 100
MAX_FILE_BYTES = 1 << 50
MAX_SECONDS = 366 * 86_400
"""More than any setting lets through; a number that is a time."""

PlaintextSize = Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
Path = Annotated[str, Field(description=f"Relative, '/'-separated, at most {model.MAX_PATH_BYTES} bytes.")]
"""`gateway.model.check_path` says what is wrong with it, by name; the body's own limit bounds it before."""
Position = Annotated[int, Field(ge=0, lt=MAX_FILE_BYTES)]
LeaseId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MAX_NUMBER = 999_999_999
"""Of a version, as `VersionRef` spells it; more than a push has objects."""
ObjectNumber = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
VersionNumber = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Shown = Annotated[str, Field(max_length=1000), AfterValidator(model.check_shown)]
"""What one person writes and others are shown."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Narrowed(_Wire):
    """How links are asked for, and what they are narrowed to."""

    mode: model.LinkMode = model.LinkMode.DIRECT
    ttl_seconds: Annotated[int | None, Field(ge=1, le=3600)] = None
    range: Annotated[
        tuple[Position, Position] | None, Field(description="First and last byte that a stream link may read.")
    ] = None
    network: Annotated[str | None, Field(max_length=64, description="CIDR block where it may be used.")] = None
    uses: Annotated[int | None, Field(ge=1, le=MAX_USES, description="How often it may send bytes.")] = None
    bound: Annotated[bool, Field(description="Whether its user must prove the key of the caller's token.")] = False
    lease: Annotated[LeaseId | None, Field(description="The lease to issue under.")] = None

    @property
    def restrictions(self) -> Restrictions:
        """What stream links are narrowed to.

        Raises:
            InvalidInput: the range is empty, or the network none.
        """
        return Restrictions(
            span=(self.range[0], self.range[1] + 1) if self.range else None,
            network=parse_network(self.network) if self.network is not None else None,
            uses=self.uses,
            key=OWN_KEY if self.bound else None,
        )

    @property
    def ttl(self) -> timedelta | None:
        """How long the links shall live; the gateway's default if none."""
        return timedelta(seconds=self.ttl_seconds) if self.ttl_seconds is not None else None


class LinksRequest(_Narrowed):
    """Files of a version to link to."""

    paths: Annotated[list[Path], Field(min_length=1, max_length=MAX_BATCH)]


class BatchRequest(_Narrowed):
    """Many files of a version to link to: all below a prefix, or a list."""

    resource: Annotated[str, Field(max_length=160)]
    version: Annotated[str, Field(max_length=80)] = "latest"
    prefix: Annotated[str, Field(max_length=model.MAX_PATH_BYTES)] = ""
    paths: Annotated[list[Path] | None, Field(min_length=1, max_length=MAX_LISTED)] = None
    after: Annotated[str, Field(max_length=model.MAX_PATH_BYTES, description="The `next` of the batch before.")] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_LINKS)] = MAX_LINKS
    digest: Annotated[str | None, Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Refuse another version.")] = None

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        if self.paths is not None and (self.prefix or self.after):
            raise ValueError("'paths' stands alone, without 'prefix' and 'after'.")
        return self

    def wanted(self) -> Wanted:
        """Return the request in the house's words.

        Raises:
            InvalidInput: a name, reference, range or network is none.
        """
        return Wanted(
            name=model.ResourceName.parse(self.resource),
            ref=model.VersionRef.parse(self.version),
            mode=self.mode,
            prefix=self.prefix,
            paths=self.paths,
            after=self.after,
            limit=self.limit,
            digest=self.digest,
            ttl=self.ttl,
            restrictions=self.restrictions,
            lease_id=self.lease,
        )


class PushRequest(_Wire):
    """A push to open."""

    description: Shown = ""


class ObjectsRequest(_Wire):
    """Plaintext sizes of the files to upload."""

    sizes: Annotated[list[PlaintextSize], Field(min_length=1, max_length=MAX_BATCH)]


class PartsRequest(_Wire):
    """Parts of an object to link to."""

    size: PlaintextSize
    parts: Annotated[list[Annotated[int, Field(ge=1, le=10_000)]], Field(min_length=1, max_length=MAX_PART_BATCH)]


class CompleteRequest(_Wire):
    """The ETags of an object's parts, in order."""

    etags: Annotated[
        list[Annotated[str, Field(max_length=256, pattern=r"^[\x21-\x7e]+$")]], Field(min_length=1, max_length=10_000)
    ]


class TagRequest(_Wire):
    """The version that a tag shall name."""

    version: Annotated[str, Field(min_length=1, max_length=80)]


class ResourceTagsRequest(_Wire):
    """A resource's tags to put and to remove."""

    put: Annotated[dict[str, str], Field(max_length=model.MAX_RESOURCE_TAGS)] = {}
    remove: Annotated[list[str], Field(max_length=model.MAX_RESOURCE_TAGS)] = []

    @field_validator("put")
    @classmethod
    def _check(cls, tags: dict[str, str]) -> dict[str, str]:
        return dict(model.check_resource_tag(key, value) for key, value in tags.items())


class ResourceTagsOut(_Wire):
    """A resource's tags."""

    resource_tags: dict[str, str]


class ExplainPrincipal(_Wire):
    """Whom to ask the policies about."""

    user: str | None = None
    workload: str | None = None
    groups: Annotated[list[str], Field(max_length=1000)] = []
    issuer: str = ""


class ExplainRequest(_Wire):
    """A question to the policies in force."""

    principal: ExplainPrincipal
    action: Annotated[str, Field(pattern=r"^gateway:[A-Za-z]{1,64}$")]
    resource: Annotated[str, Field(min_length=1, max_length=2048)]
    context: Annotated[dict[str, str | list[str]], Field(max_length=100)] = {}


class ConditionOut(_Wire):
    """A condition, and what it met."""

    operator: str
    key: str
    wanted: list[str]
    found: list[str]
    met: bool


class StatementOut(_Wire):
    """A statement that matched or nearly did, part by part."""

    name: str
    effect: str
    principal: bool
    action: bool
    resource: bool
    conditions: list[ConditionOut]


class ExplanationOut(_Wire):
    """A decision and why."""

    decision: str
    statements: list[str]
    policy_digest: str
    advice: list[str]
    traces: list[StatementOut]

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """Translate."""
        return cls(
            decision=explanation.decision.outcome,
            statements=list(explanation.decision.statements),
            policy_digest=explanation.decision.policy_digest,
            advice=list(explanation.advice),
            traces=[
                StatementOut(
                    name=trace.name,
                    effect=trace.effect,
                    principal=trace.principal,
                    action=trace.action,
                    resource=trace.resource,
                    conditions=[
                        ConditionOut(
                            operator=one.operator,
                            key=one.key,
                            wanted=list(one.wanted),
                            found=list(one.found),
                            met=one.met,
                        )
                        for one in trace.conditions
                    ],
                )
                for trace in explanation.statements
            ],
        )


class NewFileLine(_Wire):
    """A line of a commit: a file whose object was uploaded in this push."""

    path: Path
    size: PlaintextSize
    sha256: Sha256
    object: ObjectNumber


class KeptFileSource(_Wire):
    """Where an unchanged file is already."""

    version: VersionNumber
    path: Path


class KeptFileLine(_Wire):
    """A line of a commit: a file that an earlier version holds."""

    path: Path
    source: Annotated[KeptFileSource, Field(alias="from")]


class VersionOut(_Wire):
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


class ListedOut(_Wire):
    """A resource in a listing."""

    name: str
    description: str
    latest: VersionOut | None

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """Translate."""
        latest = VersionOut.of(listed.latest) if listed.latest else None
        return cls(name=str(listed.resource.name), description=listed.resource.description, latest=latest)


class ResourcesOut(_Wire):
    """Some resources, and the name to go on after."""

    resources: list[ListedOut]
    next: str | None


class ResourceOut(_Wire):
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


class FileOut(_Wire):
    """A file of a version."""

    path: str
    size: int
    sha256: str


class FilesOut(_Wire):
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


class LinkOut(_Wire):
    """A link to a file, with what opens it."""

    path: str
    size: int
    sha256: str
    mode: model.LinkMode
    url: str
    head_url: str
    expires_at: datetime
    object_key: Annotated[str | None, Field(description="base64url; with direct links only.")]
    key_check: str
    ciphertext_size: int

    @classmethod
    def of(cls, issued: IssuedLink) -> Self:
        """Translate."""
        return cls(
            path=issued.entry.path,
            size=issued.entry.size,
            sha256=issued.entry.sha256,
            mode=issued.get.mode,
            url=issued.get.url,
            head_url=issued.head.url,
            expires_at=issued.get.expires_at,
            object_key=base64url(issued.object_key) if issued.object_key else None,
            key_check=issued.entry.key_check,
            ciphertext_size=ciphertext_size(issued.entry.size),
        )


class LinksOut(_Wire):
    """Links to files of one version."""

    version: VersionOut
    links: list[LinkOut]


class PushOut(_Wire):
    """An open push."""

    push_id: str
    expires_at: datetime
    base: VersionOut | None
    part_bytes: int


class PutLinkOut(_Wire):
    """Where to PUT, and the headers to send as they are."""

    url: str
    headers: dict[str, str]
    expires_at: datetime

    @classmethod
    def of(cls, link: model.Link) -> Self:
        """Translate."""
        return cls(url=link.url, headers=dict(link.headers), expires_at=link.expires_at)


class UploadOut(_Wire):
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


class ObjectsOut(_Wire):
    """Objects in the order of the sizes asked for."""

    objects: list[UploadOut]


class PartLinkOut(PutLinkOut):
    """Where to PUT one part."""

    part: int
    size: int


class PartsOut(_Wire):
    """Part links."""

    links: list[PartLinkOut]


class CommitOut(_Wire):
    """What was published."""

    version: VersionOut


class TagOut(_Wire):
    """What a tag names."""

    tag: str
    number: int


class RotationOut(_Wire):
    """What a rotation did."""

    kek_version: int
    rewrapped: int


class WhoAmI(_Wire):
    """The caller as we see them."""

    issuer: str
    subject: str
    kind: model.PrincipalKind
    name: str
    groups: list[str]
    expires_at: datetime | None
    acr: str | None
    amr: list[str]
    auth_time: datetime | None
    token_id: Annotated[str, Field(description="The token's `jti`, by which it can be revoked.")]
    bound: Annotated[bool, Field(description="Whether the token is good with a proof of its key alone (RFC 9449).")]
    narrowed: Annotated[bool, Field(description="Whether the token may do less than policy lets its holder do.")]


class LoginIssuer(_Wire):
    """An issuer where people log in."""

    alias: str
    issuer: str
    client_id: str
    scopes: list[str]


class LoginOut(_Wire):
    """How to log in."""

    token_endpoint: str
    issuers: list[LoginIssuer]


class TokenOut(_Wire):
    """RFC 8693 2.2.1."""

    access_token: str
    issued_token_type: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    scope: str | None = None
    authorization_details: list[dict[str, object]] | None = None


class TokenErrorOut(_Wire):
    """RFC 6749 5.2, with the code and the hint that every problem of ours has."""

    error: str
    error_description: str
    code: str
    hint: str
    acr_values: str | None = None
    amr_values: str | None = None
    max_age: int | None = None


def base64url(key: bytes) -> str:
    """Return a key as the wire has it: base64url without padding (RFC 4648 5)."""
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


class LeaseRequest(_Wire):
    """A lease to make."""

    resources: Annotated[list[Annotated[str, Field(max_length=160)]], Field(min_length=1, max_length=100)]
    purpose: Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9 ._:/#@+-]{0,198}[A-Za-z0-9._])?$")]
    ttl_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)]


class LeaseOut(_Wire):
    """A lease."""

    id: str
    holder: str
    resources: list[str]
    purpose: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, lease: model.Lease) -> Self:
        """Translate."""
        return cls(
            id=lease.id,
            holder=f"{lease.issuer}/{lease.holder}",
            resources=[str(name) for name in lease.resources],
            purpose=lease.purpose,
            created_at=lease.created_at,
            expires_at=lease.expires_at,
        )


class LeasesOut(_Wire):
    """The leases that the caller may list."""

    leases: list[LeaseOut]


class RevocationRequest(_Wire):
    """What to take back."""

    kind: model.RevocationKind
    value: Annotated[str, Field(min_length=1, max_length=320)]
    freeze_seconds: Annotated[
        int, Field(ge=0, le=MAX_SECONDS, description="For how long nothing new is issued either.")
    ] = 0
    issued_before: Annotated[
        AwareDatetime | None, Field(description="Only what was issued up to then; now, if left out.")
    ] = None


class RevocationOut(_Wire):
    """What was taken back."""

    kind: model.RevocationKind
    value: str
    issued_before: datetime

    @classmethod
    def of(cls, revocation: model.Revocation) -> Self:
        """Translate."""
        return cls(kind=revocation.kind, value=revocation.value, issued_before=revocation.issued_before)
