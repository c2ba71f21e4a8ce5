"""What the use cases need from the outside, as small Protocols. Adapters only translate, and wrap foreign errors.

Every coroutine here may raise the `Unavailable` of its part (`VaultUnavailable`, `StorageUnavailable`, …).
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from gateway.model import (
    AccessRequest,
    Decision,
    Holding,
    Input,
    Lease,
    Link,
    Mark,
    MovedObject,
    Output,
    Push,
    Reencryption,
    Resource,
    ResourceKind,
    ResourceName,
    Revocation,
    Shred,
    Signatory,
    Version,
)


@dataclass(frozen=True, slots=True)
class NewDataKey:
    """A data key as Vault's `datakey/plaintext` returns it."""

    plaintext: bytes = field(repr=False)
    """32 bytes."""
    wrapped: str
    """`vault:v<n>:…`, which only the KEK can open."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key at rest."""

    resource_id: str
    epoch: int
    wrapped: str
    """As Vault wrote it; empty once the data key was destroyed."""
    created_at: datetime

    @property
    def kek_version(self) -> int:
        """Which version of the KEK wraps it: `vault:v<n>:…`; 0 of one that was destroyed."""
        number = self.wrapped.split(":")[1] if self.wrapped.count(":") == 2 else "v0"  # noqa: PLR2004 -- its form
        return int(number.removeprefix("v"))


@dataclass(frozen=True, slots=True)
class Kek:
    """What Vault tells of a KEK, which is everything but the KEK."""

    newest: int
    """Its newest version, which wraps."""
    oldest: int
    """Its oldest version that still unwraps (Vault: `min_decryption_version`)."""
    made_at: Mapping[int, datetime]
    """When each version was made that may still unwrap."""


class KeyVault(Protocol):
    """Key-encrypting keys, which never leave Vault. `kek` is `gateway-<resource id>` or a fixed `gateway-…` name."""

    async def create_kek(self, kek: str) -> None:
        """Make the KEK; nothing happens if it exists."""

    async def new_data_key(self, kek: str) -> NewDataKey:
        """Generate 32 bytes and wrap them under the KEK's newest version."""

    async def unwrap(self, kek: str, wrapped: str) -> bytes:
        """Return the data key's 32 bytes."""

    async def rewrap(self, kek: str, wrapped: str) -> str:
        """Wrap the same data key under the KEK's newest version, without it leaving Vault."""

    async def rotate_kek(self, kek: str) -> int:
        """Add a version to the KEK and return its number."""

    async def describe_kek(self, kek: str) -> Kek | None:
        """Return what there is to know of the KEK, if there is one."""

    async def retire_kek(self, kek: str, *, before: int) -> None:
        """Let the versions before this one unwrap nothing any more; or again, where the number is lower than it was."""

    async def check(self) -> None:
        """Raise `VaultUnavailable` unless Vault answers, is unsealed, and lets us use our keys."""


class KekDestroyer(Protocol):
    """Destroys KEKs, with a login of its own: who steals the gateway's everyday login must not be able to."""

    async def destroy_kek(self, kek: str) -> None:
        """Delete the KEK with all its versions, for good; nothing happens if it is gone."""

    async def check(self) -> None:
        """Raise `VaultUnavailable` unless Vault takes the login."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key that Vault signs with."""

    key_id: str
    public_pem: str
    created_at: datetime


class TokenSigner(Protocol):
    """Signs gateway tokens with a key that Vault holds (ES256, RFC 7518 3.4)."""

    async def public_keys(self) -> Sequence[SigningKey]:
        """Return every version that may still verify, newest last."""

    async def sign(self, message: bytes, *, key_id: str = "") -> tuple[str, bytes]:
        """Return the key id and the 64-byte raw signature (r || s) of `message`, by that key or else the newest.

        Raises `IntegrityError` if that key may no longer sign.
        """


class CheckpointSigner(Protocol):
    """Signs checkpoints of the journal with a key that Vault holds (Ed25519, RFC 8032)."""

    async def checkpoint_keys(self) -> Sequence[bytes]:
        """Return the 32 bytes of every public key that may still verify, newest last."""

    async def sign_checkpoint(self, message: bytes) -> tuple[bytes, bytes]:
        """Return the public key that signed, and the 64-byte signature of `message`."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where our objects are."""

    endpoint: str
    """`http(s)://host[:port]`, which clients and the gateway both reach."""
    name: str
    region: str
    """What S3 expects in a signature's scope."""
    virtual_host: bool = False
    """Whether URLs read `https://NAME.host/KEY` in place of `https://host/NAME/KEY`."""


@dataclass(frozen=True, slots=True)
class StorageCredentials:
    """Who we are to S3."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    """When S3 stops taking them, and so every link that they signed."""


CredentialSource = Callable[[], StorageCredentials]
"""Returns the credentials in force at the moment: they may be replaced while we run."""


def always(credentials: StorageCredentials) -> CredentialSource:
    """Return a source of credentials that never change."""
    return lambda: credentials


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing shows it."""

    key: str
    size: int


class ObjectStore(Protocol):
    """S3: one bucket. Keys are whole keys inside it."""

    async def get(self, key: str) -> bytes:
        """Return a small object whole. Raises `NotFound`."""

    async def put(self, key: str, body: bytes) -> None:
        """Write a small object."""

    async def keep(self, key: str, body: bytes, *, until: datetime) -> bool:
        """Write a small object; where the bucket has Object Lock, nobody can delete or replace it before `until`.

        Returns whether it is locked.
        """

    async def exists(self, key: str) -> bool:
        """Tell whether the object is there."""

    async def delete(self, key: str) -> None:
        """Delete the object; nothing happens if it is gone."""

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete these objects, at most 1,000; nothing happens to those that are gone."""

    def stream(self, key: str, *, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes `start` (inclusive) to `end` (exclusive), in chunks of any size. Raises `NotFound`."""

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yield every object below the prefix."""

    async def start_multipart(self, key: str) -> str:
        """Open a multipart upload and return its id."""

    async def finish_multipart(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Join the parts, which are numbered from 1 in the order of `etags`. Raises `IncompleteUpload`."""

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts."""

    async def check(self) -> None:
        """Raise `StorageUnavailable` unless the bucket answers."""


class LinkSigner(Protocol):
    """Signs direct links. Makes no call to S3."""

    def sign(
        self,
        method: str,
        key: str,
        *,
        expires_in: timedelta,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Link:
        """Return a presigned link (SigV4 query) for one method and key; `headers` are signed along."""

    def sign_all(self, method: str, keys: Sequence[str], *, expires_in: timedelta) -> tuple[list[str], datetime]:
        """Return a URL for each key, as `sign` does without headers and parameters, and when they all expire."""


class CatalogStore(Protocol):
    """Names, versions, tags and pushes: small rows, in SQL."""

    async def find_resource(self, name: ResourceName) -> Resource | None:
        """Return the resource, if there is one of this name."""

    async def create_resource(self, resource: Resource) -> Resource:
        """Add the resource, or return the one that already has its name."""

    async def change_resource_tags(
        self, resource: Resource, *, put: Mapping[str, str], remove: Collection[str]
    ) -> Mapping[str, str]:
        """Put and remove tags in one step, and return what the resource has then. Raises `InvalidInput`: too many."""

    async def list_resources(
        self, *, kind: ResourceKind | None, namespace: str | None, after: ResourceName | None, limit: int
    ) -> Sequence[Resource]:
        """Return resources in the order of their names, after `after`."""

    async def find_version(
        self, resource: Resource, *, number: int | None = None, digest: str | None = None
    ) -> Version | None:
        """Return the version of this number or digest: the newest that has the digest, or the newest of all."""

    async def list_versions(self, resource: Resource, *, removed_since: datetime | None = None) -> Sequence[Version]:
        """Return all versions, newest first; also those that were removed after a moment, if one is given."""

    async def remove_version(self, resource: Resource, number: int, *, at: datetime, by: str) -> Version:
        """Remove a version for all who read; `latest` moves to the newest one left. Its number is never given again.

        Raises:
            UnknownVersion: there is no such version.
            Conflict: a tag other than `latest` names it.
        """

    async def inputs(self, resource: Resource) -> Mapping[int, Sequence[Input]]:
        """Return what each version was made from, by number; versions made from nothing are left out."""

    async def outputs(self, name: ResourceName) -> Mapping[int, Sequence[Output]]:
        """Return the versions, of any resource, that were made from each version of this one, by its number."""

    async def tags(self, resource: Resource) -> Mapping[str, int]:
        """Return each tag and the version number that it names."""

    async def set_tag(self, resource: Resource, tag: str, number: int) -> None:
        """Move or make the tag."""

    async def open_push(self, push: Push) -> None:
        """Add the push."""

    async def find_push(self, push_id: str) -> Push | None:
        """Return the push."""

    async def reserve_objects(self, push_id: str, count: int) -> int:
        """Take `count` object numbers of the push and return the first."""

    async def add_upload(self, push_id: str, number: int, upload_id: str) -> None:
        """Remember the multipart upload of an object; the first one stays."""

    async def find_upload(self, push_id: str, number: int) -> str | None:
        """Return the multipart upload id of an object of this push."""

    async def close_push(self, push_id: str) -> Sequence[tuple[int, str]]:
        """Mark the push aborted; return (object number, upload id) of its multipart uploads."""

    async def commit_push(
        self,
        push: Push,
        version: Version,
        tags: Sequence[str],
        *,
        taken_from: Collection[int] = (),
        inputs: Collection[Input] = (),
    ) -> Version:
        """In one transaction: give the version the next number, move the tags to it, close the push.

        Returns the version as stored; a push committed before returns that version again.

        Args:
            push: The push.
            version: What it publishes; its number is not looked at.
            tags: What names it from now on.
            taken_from: Numbers of versions whose pages and objects it shares; they must be there still.
            inputs: What it was made from.

        Raises:
            VersionExists: the newest version has this digest.
            PushClosed: the push was aborted.
            Conflict: a version that it shares with was removed meanwhile.
        """

    async def list_pushes(self, resource: Resource) -> Sequence[Push]:
        """Return all pushes to a resource, open or not."""

    async def check(self) -> None:
        """Raise `StateUnavailable` unless the database answers and its schema is ours."""


class LinkUses(Protocol):
    """Counts the uses of links whose uses are limited, for all instances together."""

    async def take(self, link_id: str, *, limit: int, expires_at: datetime) -> bool:
        """Take one use, and tell whether there was one left. The count may be forgotten after `expires_at`."""


class LeaseStore(Protocol):
    """Leases: one row each."""

    async def add(self, lease: Lease) -> None:
        """Add the lease."""

    async def find(self, lease_id: str) -> Lease | None:
        """Return the lease, also one that has ended."""

    async def in_force(self, *, after: str, limit: int) -> Sequence[Lease]:
        """Return leases that have not expired, in the order of their ids, after `after`."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one instance held when it was heard of last."""

    instance: str
    holding: Holding
    seen_at: datetime


class HoldingStore(Protocol):
    """What each instance says that it holds: a row for each instance and secret."""

    async def report(self, instance: str, holdings: Sequence[Holding]) -> None:
        """Say what the instance holds at this moment, in place of what it said before."""

    async def withdraw(self, instance: str) -> None:
        """Forget the instance, which serves no more."""

    async def reports(self, *, since: datetime) -> Sequence[Report]:
        """Return what instances said that were heard of since."""


class ShredStore(Protocol):
    """Shreddings: at most one of a resource."""

    async def add(self, shred: Shred) -> Shred:
        """Add the shredding, or return the one that there is."""

    async def find(self, resource_id: str) -> Shred | None:
        """Return the resource's shredding, if there is one."""

    async def approve(self, resource_id: str, *, by: Signatory, due_at: datetime) -> bool:
        """Approve it, if it waits for that; tell whether it did."""

    async def withdraw(self, resource_id: str) -> bool:
        """Forget it, if it has not begun; tell whether that was so."""

    async def take_due(self, *, now: datetime, again_after: timedelta) -> Shred | None:
        """Begin one whose time has come, marking its resource as shredded in the same step, and return it.

        One that was begun so long ago, and did not end, is begun again.
        """

    async def finish(self, resource_id: str, *, at: datetime, proof: Mapping[str, str]) -> None:
        """Say that it is done."""


@dataclass(frozen=True, slots=True)
class SealedFile:
    """An encrypted file that a link leads to, with what opens it and what it must be. Plain values."""

    url: str = field(repr=False)
    key: bytes = field(repr=False)
    key_check: str
    size: int
    """Bytes of the plaintext."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a part of an object is to be put, and the headers that were signed."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A file to be encrypted anew, under another object key. Plain values."""

    source: SealedFile
    key: bytes = field(repr=False)
    part_bytes: int
    uploads: tuple[Upload, ...] = field(repr=False)
    """One for each part of so many bytes; the last may be shorter."""


Rewriter = Callable[[Rewrite], tuple[str, ...]]
"""Encrypts a file anew, if it is what its manifest says, and returns its parts' ETags. Picklable, and blocks."""
ReadBack = Callable[[SealedFile], None]
"""Returns if the file is what its manifest says. Picklable, and blocks."""


class ReencryptionStore(Protocol):
    """Re-encryptions, at most one of a resource, and where the objects are that they have moved."""

    async def start(self, wanted: Reencryption) -> bool:
        """Start it in place of one that has ended; tell whether it was so."""

    async def find(self, resource_id: str) -> Reencryption | None:
        """Return the resource's re-encryption, if there is one."""

    async def stop(self, resource_id: str) -> bool:
        """Stop it, if objects are still moved; tell whether it was so."""

    async def take(self, holder: str, *, now: datetime, until: datetime) -> Reencryption | None:
        """Return one that has work and that nobody holds, held for `holder` until then."""

    async def hold(self, resource_id: str, holder: str, *, until: datetime) -> bool:
        """Hold it on; False if it was stopped, or is somebody else's by now."""

    async def update(self, job: Reencryption, holder: str, *, until: datetime) -> None:
        """Store its counts and its state, held until then; nothing happens if it is not `holder`'s any more."""

    async def current(self, resource_id: str, object_ids: Collection[str]) -> Mapping[str, MovedObject]:
        """Return those of these objects, by their ids in manifests, that have moved."""

    async def add_moved(self, resource_id: str, moved: Sequence[tuple[MovedObject, str]]) -> None:
        """Say where objects are now, each with the id of the copy that is no longer the one; all in one step."""

    async def old_copies(self, resource_id: str, *, limit: int) -> Sequence[str]:
        """Return the ids of copies that are no longer the ones, and are not dropped."""

    async def open_pushes(self, resource_id: str, *, now: datetime) -> Mapping[int, int]:
        """Return how many pushes may still bring objects of each epoch."""

    async def drop_copies(self, resource_id: str, object_ids: Collection[str]) -> None:
        """Say that these copies are gone."""


class Revocations(Protocol):
    """What was taken back. Every instance knows within five seconds, or refuses."""

    async def check(self, marks: Sequence[Mark], *, issued_at: datetime) -> None:
        """Return if something issued then, hanging on these marks, is still good.

        Raises `Revoked`, and `StateUnavailable` when we cannot know: the database has not answered for too long.
        """

    async def add(self, revocation: Revocation) -> None:
        """Revoke; durable when it returns."""


class UsedProofs(Protocol):
    """Proofs of possession that were shown, so that none is good twice, on any instance (RFC 9449 11.1)."""

    async def take(self, proof: str, *, until: datetime) -> bool:
        """Remember the proof, by its digest, and tell whether it is new. It may be forgotten after `until`."""


class WrappedKeyStore(Protocol):
    """Wrapped data keys: one row a resource and epoch."""

    async def newest(self, resource_id: str) -> WrappedKey | None:
        """Return the row of the highest epoch."""

    async def find(self, resource_id: str, epoch: int) -> WrappedKey | None:
        """Return one row."""

    async def all(self, resource_id: str) -> Sequence[WrappedKey]:
        """Return every epoch's row."""

    async def add(self, key: WrappedKey) -> WrappedKey:
        """Add the row, or return the one that another instance added first."""

    async def replace(self, key: WrappedKey, *, rewrapped: str) -> bool:
        """Swap the wrapped text if it is still `key.wrapped`; tell whether it was."""

    async def destroy(self, resource_id: str) -> int:
        """Empty every row of the resource, for good, and return how many: an empty row keeps its place taken."""


class PackStore(Protocol):
    """A resource's packs of manifest pages, sealed. A pack is named `<push id>/<hex SHA-256 of its plaintext>`."""

    async def get(self, pack: str) -> bytes:
        """Return the pack. Raises `IntegrityError` if it is gone, or is not what its name says."""

    async def put(self, pack: str, content: bytes) -> None:
        """Store the pack under its name, which says what is in it."""


class DecisionPoint(Protocol):
    """The policy set in force."""

    def decide(self, request: AccessRequest) -> Decision:
        """Answer the request; pure and quick."""

    def denies(self, request: AccessRequest) -> Decision | None:
        """Return the decision if it is an explicit deny; quicker than `decide`, since no other statement is asked."""

    def decide_below(self, request: AccessRequest) -> Decision | None:
        """Answer for everything whose resource starts with this request's and is longer; None if it depends."""


class EventJournal(Protocol):
    """The durable local order of events."""

    async def append(self, event: Mapping[str, object]) -> str:
        """Return the event's uid once it is on disk. Raises `JournalUnavailable`."""

    async def append_all(self, events: Sequence[Mapping[str, object]]) -> Sequence[str]:
        """Return the events' uids once all are on disk, in this order. Raises `JournalUnavailable`: none is."""

    async def check(self) -> None:
        """Raise `JournalUnavailable` unless an event could be written now."""
