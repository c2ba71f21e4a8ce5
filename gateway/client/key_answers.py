"""What the gateway answers about keys, as frozen values."""

from dataclasses import dataclass
from datetime import datetime

from gateway.client.answers import Json
from gateway.model import ReencryptionState, ResourceName, ShredState


@dataclass(frozen=True, slots=True)
class KekVersion:
    """A version of a KEK that may still open data keys, and what hangs on it."""

    version: int
    made_at: datetime
    data_keys: int
    objects: int | None
    """None if objects were not counted, as the bytes."""
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Epoch:
    """A data key, and what is encrypted under it."""

    epoch: int
    kek_version: int
    made_at: datetime
    objects: int | None
    bytes: int | None
    open_pushes: int
    """Pushes that may still bring more."""


@dataclass(frozen=True, slots=True)
class ReencryptionInfo:
    """How far a re-encryption is."""

    epoch: int
    state: ReencryptionState
    requested_by: str
    requested_at: datetime
    objects: int
    bytes: int
    moved: int
    moved_bytes: int
    failed: int
    failure: str
    moved_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShredInfo:
    """How far a shredding is."""

    state: ShredState
    reason: str
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    due_at: datetime | None
    done_at: datetime | None
    proof: dict[str, str]
    """For each attempt to open something, the error that it ended with."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """How a resource's keys stand."""

    due_at: datetime
    kek_versions: tuple[KekVersion, ...]
    epochs: tuple[Epoch, ...]
    reencryption: ReencryptionInfo | None
    shred: ShredInfo | None


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of one resource's keys."""

    name: ResourceName
    kek_version: int
    rewrapped: int
    rotated: bool
    """Whether it was due."""
    failure: str
    """The error's code, or empty."""


def status(answer: Json) -> KeyStatus:
    """Parse `GET …/keys`."""
    return KeyStatus(
        _time(answer["due_at"]),
        tuple(_kek_version(item) for item in answer["kek_versions"]),
        tuple(_epoch(item) for item in answer["epochs"]),
        reencryption(answer["reencryption"]) if answer["reencryption"] else None,
        shred(answer["shred"]) if answer["shred"] else None,
    )


def _kek_version(answer: Json) -> KekVersion:
    return KekVersion(
        int(answer["version"]),
        _time(answer["made_at"]),
        int(answer["data_keys"]),
        _maybe(answer["objects"]),
        _maybe(answer["bytes"]),
    )


def _epoch(answer: Json) -> Epoch:
    return Epoch(
        int(answer["epoch"]),
        int(answer["kek_version"]),
        _time(answer["made_at"]),
        _maybe(answer["objects"]),
        _maybe(answer["bytes"]),
        int(answer["open_pushes"]),
    )


def reencryption(answer: Json) -> ReencryptionInfo:
    """Parse how far a re-encryption is."""
    return ReencryptionInfo(
        epoch=int(answer["epoch"]),
        state=ReencryptionState(answer["state"]),
        requested_by=str(answer["requested_by"]),
        requested_at=_time(answer["requested_at"]),
        objects=int(answer["objects"]),
        bytes=int(answer["bytes"]),
        moved=int(answer["moved"]),
        moved_bytes=int(answer["moved_bytes"]),
        failed=int(answer["failed"]),
        failure=str(answer["failure"]),
        moved_at=_time(answer["moved_at"]) if answer["moved_at"] else None,
    )


def shred(answer: Json) -> ShredInfo:
    """Parse how far a shredding is."""
    return ShredInfo(
        state=ShredState(answer["state"]),
        reason=str(answer["reason"]),
        requested_by=str(answer["requested_by"]),
        requested_at=_time(answer["requested_at"]),
        approved_by=str(answer["approved_by"]) if answer["approved_by"] else None,
        due_at=_time(answer["due_at"]) if answer["due_at"] else None,
        done_at=_time(answer["done_at"]) if answer["done_at"] else None,
        proof={str(attempt): str(code) for attempt, code in answer["proof"].items()},
    )


def rotated(answer: Json) -> tuple[tuple[Rotated, ...], str | None]:
    """Parse a page of `POST /v1/keys:rotate-due`, and the name to go on after."""
    page = tuple(
        Rotated(
            ResourceName.parse(item["name"]),
            int(item["kek_version"]),
            int(item["rewrapped"]),
            bool(item["rotated"]),
            str(item["failure"]),
        )
        for item in answer["resources"]
    )
    return page, answer["next"]


def _time(value: object) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def _maybe(value: object) -> int | None:
    return None if value is None else int(str(value))
