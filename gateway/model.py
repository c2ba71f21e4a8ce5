"""The words of the house as frozen values, each made once and passed on. Parsing is strict: one spelling a thing."""

import hmac
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from gateway.errors import InvalidInput, InvalidName, InvalidPath

MAX_PATH_BYTES = 1024
"""S3's limit on a key (AWS, "Object key naming guidelines"); ours on a path, so that no name is a surprise."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NUMBERED = re.compile(r"v([1-9][0-9]{0,8})")
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode general categories: controls, formats (bidi overrides, zero width), line and paragraph separators."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ResourceKind(StrEnum):
    """What can be published."""

    DATASET = "dataset"
    MODEL = "model"


def check_name(text: str, what: str) -> str:
    """Return `text` if it is a namespace, a name or a tag as we write them.

    >>> check_name("digits-logreg", "name")
    'digits-logreg'

    Raises:
        InvalidName: it is not; the message says the rule.
    """
    if not _NAME.fullmatch(text):
        raise InvalidName(
            f"{text[:80]!r} is no valid {what}.",
            hint="Use 1 to 63 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit.",
        )
    return text


_PLAIN_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""Nearly all paths: no segment starts with a dot, so that none is '.' or '..'."""


def check_path(text: str) -> str:
    """Return `text` if it is a file's path inside a version: relative, NFC, '/'-separated, at most 1,024 bytes.

    It is decoded already and stays as it is: policy, signing, audit and S3 all see this one spelling.

    >>> check_path("train/images.parquet")
    'train/images.parquet'
    >>> check_path("../etc/passwd")
    Traceback (most recent call last):
    gateway.errors.InvalidPath: '../etc/passwd' is no valid path: '..' is not a file's name.

    Raises:
        InvalidPath: it is not; the message says why.
    """
    reason = _path_fault(text)
    if reason:
        raise InvalidPath(
            f"{text[:80]!r} is no valid path: {reason}.",
            hint="Paths are relative, like 'train/images.parquet'.",
        )
    return text


def _path_fault(text: str) -> str:
    if len(text) <= MAX_PATH_BYTES and _PLAIN_PATH.fullmatch(text):
        return ""
    faults = (
        (text == "", "it is empty"),
        (not _encodes(text), "it is not valid Unicode"),
        (len(text.encode(errors="replace")) > MAX_PATH_BYTES, f"it is longer than {MAX_PATH_BYTES:,} bytes"),
        (any(unicodedata.category(c) in _INVISIBLE for c in text), "it has a control or invisible character"),
        ("\\" in text, "it has a backslash"),
        (not unicodedata.is_normalized("NFC", text), "it is not in Unicode's normal form C"),
        (text.startswith("/") or text.endswith("/"), "it starts or ends with '/'"),
        ("//" in text, "it has an empty segment ('//')"),
        (".." in text.split("/"), "'..' is not a file's name"),
        ("." in text.split("/"), "'.' is not a file's name"),
    )
    return next((reason for found, reason in faults if found), "")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, order=True)
class ResourceName:
    """A dataset or model.

    >>> ResourceName.parse("dataset/vision/digits")
    ResourceName(kind=<ResourceKind.DATASET: 'dataset'>, namespace='vision', name='digits')
    >>> str(_)
    'dataset/vision/digits'
    """

    kind: ResourceKind
    namespace: str
    name: str

    def __post_init__(self) -> None:
        check_name(self.namespace, "namespace")
        check_name(self.name, "name")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `dataset/<namespace>/<name>` or `model/<namespace>/<name>`.

        Raises:
            InvalidName: it is neither.
        """
        kind, _, rest = text.partition("/")
        namespace, slash, name = rest.partition("/")
        if kind not in {"dataset", "model"} or not slash:
            raise InvalidName(
                f"{text[:80]!r} names no dataset or model.",
                hint="Write dataset/NAMESPACE/NAME or model/NAMESPACE/NAME.",
            )
        return cls(ResourceKind(kind), namespace, name)

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class VersionRef:
    """How a caller names a version: `v3`, a tag, or `sha256:…`; exactly one of the three is set.

    >>> VersionRef.parse("v3").number, VersionRef.parse("latest").tag
    (3, 'latest')
    """

    number: int | None = None
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference without its '@'.

        Raises:
            InvalidName: it is none of the three.
        """
        if numbered := _NUMBERED.fullmatch(text):
            return cls(number=int(numbered[1]))
        if _DIGEST.fullmatch(text):
            return cls(digest=text)
        return cls(tag=check_tag(text))

    def __str__(self) -> str:
        if self.number is not None:
            return f"v{self.number}"
        return self.tag or self.digest or ""


def parse_versioned(text: str) -> tuple[ResourceName, VersionRef]:
    """Read `dataset/<namespace>/<name>@<version>`, whole versions alone.

    >>> parse_versioned("dataset/vision/digits@v3")[1].number
    3

    Raises:
        InvalidName: it is not that.
    """
    name, at, ref = text.partition("@")
    if not at:
        raise InvalidName(f"{text[:80]!r} names no version.", hint="Write dataset/NAMESPACE/NAME@VERSION.")
    return ResourceName.parse(name), VersionRef.parse(ref)


def check_tag(text: str) -> str:
    """Return `text` if it may be a tag: a name that could not be taken for a version number.

    Raises:
        InvalidName: it may not.
    """
    if re.fullmatch(r"v[0-9]+", text):
        raise InvalidName(f"{text[:80]!r} is no valid tag: it reads as a version number.", hint="Try 'stable'.")
    return check_name(text, "tag")


MAX_RESOURCE_TAGS = 50
"""AWS's limit on the tags of a resource ("Tagging AWS resources")."""
_MAX_TAG_VALUE_CHARS = 256
_TAG_VALUE = re.compile(r"[\w .:/=+@-]+")


def check_resource_tag(key: str, value: str) -> tuple[str, str]:
    """Return key and value if they may be a resource's tag: AWS's characters, a key as we write names.

    >>> check_resource_tag("sensitivity", "restricted")
    ('sensitivity', 'restricted')

    Raises:
        InvalidName: they may not.
    """
    check_name(key, "tag key")
    if len(value) > _MAX_TAG_VALUE_CHARS or not _TAG_VALUE.fullmatch(value) or value != value.strip():
        raise InvalidName(
            f"The value of the tag {key!r} is not valid.",
            hint="Use 1 to 256 letters, digits, spaces inside, and '_.:/=+-@'.",
        )
    return key, value


_JOINERS = "\n\t\u200c\u200d"
"""Ends of lines, and the invisible characters that some scripts and emoji need."""


def check_shown(text: str) -> str:
    """Return `text` if it may be shown to others, on terminals too: no controls, no overrides of its direction.

    >>> check_shown("first release")
    'first release'

    Raises:
        InvalidInput: it may not.
    """
    if any(unicodedata.category(char) in _INVISIBLE and char not in _JOINERS for char in text):
        raise InvalidInput("The text has a control or invisible character.", hint="Use lines of plain text.")
    return text


class PrincipalKind(StrEnum):
    """Who a principal is."""

    USER = "user"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, after verification."""

    issuer: str
    """The issuer's alias in our settings."""
    subject: str
    kind: PrincipalKind
    name: str
    """What policies and people call them, with the prefix that the issuer's settings add."""
    groups: frozenset[str] = frozenset()
    claims: Mapping[str, object] = field(default_factory=dict, repr=False)
    """The verified claims that the issuer's settings let through; `oidc:<claim>` in conditions."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Attributes mapped from claims; `aws:PrincipalTag/…` in conditions."""
    acr: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: datetime | None = None
    token_id: str = ""
    """The `jti` of the token that was shown."""
    expires_at: datetime | None = None
    session_policies: tuple[str, ...] = ()
    """Policy documents (JSON) that narrow this token: each must allow as well (RFC 9396)."""
    client_id: str = ""
    """Which of the issuer's clients the login was for, as the issuer says."""
    login_at: datetime | None = None
    """When the issuer made the token that began it all; what is revoked up to a moment is compared with it."""
    origins: tuple[str, ...] = ()
    """The ids of the tokens that this one was exchanged from, the oldest first."""
    key_thumbprint: str = ""
    """The key that must prove possession of the token (RFC 9449 6.1: `jkt`); empty for a bearer token."""

    def __hash__(self) -> int:
        """Hash a part that tells most principals apart; equality looks at all, claims and tags included."""
        return hash((self.issuer, self.subject, self.token_id))


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One question to the policy: may this principal do this action on this resource, in this context?"""

    principal: Principal
    action: str
    """`gateway:VerbNoun`."""
    resource: str
    """`dataset/<namespace>/<name>/<version>/<path>` or a prefix of it, decoded, as `check_path` passed it."""
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Condition keys (AWS's global keys and ours) and their values, as strings."""


class Outcome(StrEnum):
    """What a decision comes to, in AWS's terms (IAM User Guide, "Policy evaluation logic")."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True)
class Decision:
    """The policy's answer, with what decided it."""

    outcome: Outcome
    statements: tuple[str, ...] = ()
    """The deciding statements as `<policy>#<Sid or index>`, sorted."""
    policy_digest: str = ""
    """SHA-256 of the policy set that answered."""
    step_up: str = ""
    """Which stronger login would turn the answer into allow (RFC 9470): 'acr=…', 'max_age=…', or empty."""

    @property
    def allowed(self) -> bool:
        """Whether access is granted."""
        return self.outcome is Outcome.ALLOW


@dataclass(frozen=True, slots=True, order=True)
class FileEntry:
    """One file of a version, as its manifest page holds it. Sorted by `path` as UTF-8 bytes."""

    path: str
    size: int
    """Bytes of the plaintext."""
    sha256: str
    """Hex SHA-256 of the plaintext."""
    object_id: str
    """The S3 object below the resource's prefix, `<push id>/<number>`; bound into its object key."""
    epoch: int
    """Which data key of the resource the object key derives from."""
    key_check: str
    """Hex of 16 bytes that tell a right object key from a wrong one before anything is read."""


@dataclass(frozen=True, slots=True)
class Version:
    """An immutable state of a resource."""

    resource: ResourceName
    number: int
    digest: str
    """`sha256:<hex>` of the root page, which covers every file."""
    file_count: int
    total_bytes: int
    published_at: datetime
    published_by: str
    message: str = ""
    pack: str = ""
    """Where its root page is stored, `<push id>/<SHA-256>`: the whole of a pack of its own."""
    commit: str = ""
    """The revision of the code that made it, as its publisher says."""
    run: str = ""
    """The run that made it: a name or a URL, as its publisher says."""


@dataclass(frozen=True, slots=True, order=True)
class Input:
    """A version that another one was made from, as its publisher says. It is named so even when it is removed."""

    resource: ResourceName
    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.resource}@v{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class Output:
    """A version that was made from another one."""

    resource: ResourceName
    number: int

    def __str__(self) -> str:
        return f"{self.resource}@v{self.number}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A dataset or model as the catalog knows it. `id` never changes and names its keys and objects."""

    id: str
    """32 hex digits, random."""
    name: ResourceName
    created_at: datetime
    created_by: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What its owners say of it: sensitivity, owner, licence; `gateway:ResourceTag/…` in conditions."""
    shredded_at: datetime | None = None
    """Since when its keys are destroyed, or are being destroyed; nothing of it opens any more."""


@dataclass(frozen=True, slots=True)
class Push:
    """An upload session: bound to one principal and one resource."""

    id: str
    """32 hex digits, random; the prefix of its objects' ids."""
    resource_id: str
    issuer: str
    subject: str
    epoch: int
    created_at: datetime
    expires_at: datetime
    next_object: int = 0
    committed_as: int | None = None
    """The version's number, once committed."""
    closed: bool = False
    """Whether it was aborted."""


class LinkMode(StrEnum):
    """How a link's bytes travel."""

    DIRECT = "direct"
    """S3 presigned; ciphertext, with the object key beside it."""
    STREAM = "stream"
    """Through the gateway, which decrypts on the way."""


@dataclass(frozen=True, slots=True)
class Link:
    """A signed, short-lived URL."""

    mode: LinkMode
    method: str
    url: str = field(repr=False)
    expires_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers that were signed and must be sent as they are."""
    id: str = ""
    """Names a stream link in the audit and for revoking it; S3 gives direct links none."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Leave to renew links to some resources until a set end, for one purpose and one principal."""

    id: str
    """32 hex digits, random."""
    issuer: str
    subject: str
    holder: str
    """The principal's name."""
    resources: tuple[ResourceName, ...]
    purpose: str
    """What it is for, in the holder's words; `gateway:Purpose` in conditions."""
    created_at: datetime
    expires_at: datetime
    """The first moment at which it is no longer good, nor anything that was issued under it."""


class Secret(StrEnum):
    """A secret that the gateway has, and that is replaced from time to time."""

    KEKS = "keks"
    """The key-encrypting keys of all datasets and models, and of the link signing key."""
    TOKEN_KEY = "token-key"  # noqa: S105  a secret's name
    """Signs gateway tokens, in Vault."""
    LINK_KEY = "link-key"
    """Seals stream links; wrapped in the database."""
    CHECKPOINT_KEY = "checkpoint-key"
    """Signs checkpoints of the audit journal, in Vault."""
    S3_CREDENTIALS = "s3-credentials"
    DATABASE_PASSWORD = "database-password"  # noqa: S105  the same
    REDIS_PASSWORD = "redis-password"  # noqa: S105  the same
    GATEWAY_SECRET_ID = "gateway-secret-id"  # noqa: S105  the same
    """Half of the gateway's AppRole login to Vault."""
    SHREDDER_SECRET_ID = "shredder-secret-id"  # noqa: S105  the same
    """Half of the login that destroys keys."""
    ROTATION_SECRET_ID = "rotation-secret-id"  # noqa: S105  the same
    """Half of the login of who replaces all the others."""


def fingerprint(secret: str) -> str:
    """Return what tells a secret from another one and gives nothing of it away: 12 hex digits.

    >>> fingerprint("b09a94ce-9901-2064-3aa4-bd59d15b9e33")
    'a13918f32b85'
    """
    return hmac.digest(b"gateway secret fingerprint v1", secret.encode(), "sha256")[:6].hex()


@dataclass(frozen=True, slots=True)
class Holding:
    """What an instance of the gateway says of a secret that it holds. Versions and fingerprints, never a secret."""

    secret: Secret
    uses: str
    """The one that it signs, seals or logs in with."""
    accepts: tuple[str, ...] = ()
    """Those of which it takes what was made with them."""


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who asked for something that is done later, as long as it is remembered."""

    issuer: str
    """The issuer's alias in our settings."""
    subject: str
    name: str
    kind: PrincipalKind = PrincipalKind.USER

    @classmethod
    def of(cls, principal: Principal) -> Self:
        """Return what is remembered of a principal."""
        return cls(principal.issuer, principal.subject, principal.name, principal.kind)

    def is_same(self, other: "Signatory") -> bool:
        """Tell whether both are one account, whatever it is called by now."""
        return (self.issuer, self.subject) == (other.issuer, other.subject)

    def principal(self) -> Principal:
        """Return the principal, as far as it is remembered: for events, and for no decision."""
        return Principal(self.issuer, self.subject, self.kind, self.name)

    def __str__(self) -> str:
        return f"{self.issuer}/{self.name}"


class ShredState(StrEnum):
    """How far a shredding has come."""

    REQUESTED = "requested"
    """It waits for somebody else's approval."""
    APPROVED = "approved"
    """It is done when its time has come, unless it is undone before."""
    DESTROYING = "destroying"
    """Its time has come: it cannot be undone any more."""
    DONE = "done"
    """The keys are destroyed, and the attempts to open them were refused."""


@dataclass(frozen=True, slots=True)
class Shred:
    """The destruction of a resource's keys, and so of all that it holds."""

    resource_id: str
    resource: ResourceName
    reason: str
    state: ShredState
    requested_by: Signatory
    requested_at: datetime
    approved_by: Signatory | None = None
    due_at: datetime | None = None
    """When it is done; set by the approval."""
    done_at: datetime | None = None
    proof: Mapping[str, str] = field(default_factory=dict, hash=False)
    """For each attempt to open a key or what it protects, the error that it ended with."""


class ReencryptionState(StrEnum):
    """How far a re-encryption has come."""

    RUNNING = "running"
    """Objects are moved to the newest epoch."""
    SETTLING = "settling"
    """All are moved; the old copies go when no link to one can be good any more."""
    DONE = "done"
    FAILED = "failed"
    """Some objects could not be moved; they are where they were. It may be asked for again."""
    STOPPED = "stopped"
    """Somebody stopped it; what was moved is moved. It may be asked for again."""


@dataclass(frozen=True, slots=True)
class Reencryption:
    """The move of a resource's objects to a newer data key."""

    resource_id: str
    resource: ResourceName
    epoch: int
    """Where they go."""
    state: ReencryptionState
    requested_by: Signatory
    requested_at: datetime
    bytes_per_second: int | None = None
    """The pace that was asked for."""
    objects: int = 0
    """How many there are to move, as far as they are counted."""
    size: int = 0
    """The bytes of their plaintext."""
    moved: int = 0
    moved_bytes: int = 0
    failed: int = 0
    failure: str = ""
    """Why the first one could not be moved."""
    moved_at: datetime | None = None
    """When the last one was moved."""


@dataclass(frozen=True, slots=True)
class MovedObject:
    """Where an object is by now that manifests know under an older id."""

    object_id: str
    """As the manifests have it."""
    current_id: str
    epoch: int
    key_check: str


class RevocationKind(StrEnum):
    """What can be revoked."""

    LINK = "link"
    """One stream link, by its id: 32 hex digits."""
    LEASE = "lease"
    """A lease and all that was issued under it, by its id: 32 hex digits."""
    PRINCIPAL = "principal"
    """All that somebody was given, by `<issuer's alias>/<name>`."""
    RESOURCE = "resource"
    """All that was given out of a dataset or model, by its name."""
    SUBJECT = "subject"
    """All logins of somebody, by `<issuer's alias>/<subject>`, which stays when a name changes hands."""
    TOKEN = "token"  # noqa: S105  a kind's name
    """One token, an issuer's or ours, and all that it was exchanged for, by its `jti`."""
    ISSUER = "issuer"
    """All logins through an issuer, by its alias."""
    CLIENT = "client"
    """All logins through one of an issuer's clients, by `<issuer's alias>/<client id>`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One of the things that something issued hangs on: were it revoked, it would be as well."""

    kind: RevocationKind
    value: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was issued on this mark, up to a moment, is no longer good."""

    kind: RevocationKind
    value: str
    issued_before: datetime
    """What was issued at this moment or earlier is revoked. In the future: nothing new is issued until then."""
    until: datetime
    """When all that it could concern has expired, so that it may be forgotten."""
    revoked_by: str = ""


def marks_of(
    principal: Principal, resource: ResourceName, *, link: str | None = None, lease: str | None = None
) -> tuple[Mark, ...]:
    """Return all that something issued to this principal, out of this resource, hangs on.

    >>> ada = Principal("people", "1", PrincipalKind.USER, "ada")
    >>> [mark.value for mark in marks_of(ada, ResourceName.parse("dataset/vision/digits"), lease="0f" * 16)]
    ['people/ada', 'dataset/vision/digits', 'people/1', 'people', '0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f']
    """
    marks = [
        Mark(RevocationKind.PRINCIPAL, f"{principal.issuer}/{principal.name}"),
        Mark(RevocationKind.RESOURCE, str(resource)),
        # A login that is taken back takes along what was issued to it.
        Mark(RevocationKind.SUBJECT, f"{principal.issuer}/{principal.subject}"),
        Mark(RevocationKind.ISSUER, principal.issuer),
    ]
    if link is not None:
        marks.append(Mark(RevocationKind.LINK, link))
    if lease is not None:
        marks.append(Mark(RevocationKind.LEASE, lease))
    return tuple(marks)
