"""Keys and the work on them, as JSON. No key is ever in it."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from gateway import model
from gateway.api.schemas.wire import MAX_SECONDS, Shown, Wire
from gateway.broker.key_status import KeyStatus
from gateway.broker.rotate import Rotated

_MAX_BYTES_PER_SECOND = 1 << 40


class RotationOut(Wire):
    """What a rotation did."""

    kek_version: int
    rewrapped: int


class EpochOut(Wire):
    """The newest epoch, which new objects are encrypted under."""

    epoch: int


class RetirementOut(Wire):
    """The oldest version of the KEK that still opens data keys."""

    oldest_kek_version: int


class KekVersionOut(Wire):
    """A version of the KEK that may still open data keys, and what hangs on it."""

    version: int
    made_at: datetime
    data_keys: int
    objects: int | None
    bytes: int | None


class EpochStatusOut(Wire):
    """A data key, and what is encrypted under it."""

    epoch: int
    kek_version: int
    made_at: datetime
    objects: int | None
    bytes: int | None
    open_pushes: int


class ReencryptionRequest(Wire):
    """A re-encryption to begin."""

    bytes_per_second: Annotated[
        int | None, Field(ge=1, le=_MAX_BYTES_PER_SECOND, description="The pace; as fast as it goes, else.")
    ] = None


class ReencryptionOut(Wire):
    """How far a re-encryption is."""

    epoch: int
    state: model.ReencryptionState
    requested_by: str
    requested_at: datetime
    bytes_per_second: int | None
    objects: int
    bytes: int
    moved: int
    moved_bytes: int
    failed: int
    failure: str
    moved_at: datetime | None

    @classmethod
    def of(cls, job: model.Reencryption) -> Self:
        """Translate."""
        return cls(
            epoch=job.epoch,
            state=job.state,
            requested_by=str(job.requested_by),
            requested_at=job.requested_at,
            bytes_per_second=job.bytes_per_second,
            objects=job.objects,
            bytes=job.size,
            moved=job.moved,
            moved_bytes=job.moved_bytes,
            failed=job.failed,
            failure=job.failure,
            moved_at=job.moved_at,
        )


class ShredRequest(Wire):
    """What asks for a resource's keys to be destroyed."""

    confirm: Annotated[str, Field(max_length=160, description="The resource's name, typed once more.")]
    reason: Annotated[Shown, Field(min_length=1)]


class ShredApproval(Wire):
    """What approves it."""

    confirm: Annotated[str, Field(max_length=160, description="The resource's name, typed once more.")]


class ShredOut(Wire):
    """How far a shredding is."""

    state: model.ShredState
    reason: str
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    due_at: datetime | None
    done_at: datetime | None
    proof: Annotated[dict[str, str], Field(description="For each attempt to open something, its error.")]

    @classmethod
    def of(cls, shred: model.Shred) -> Self:
        """Translate."""
        return cls(
            state=shred.state,
            reason=shred.reason,
            requested_by=str(shred.requested_by),
            requested_at=shred.requested_at,
            approved_by=str(shred.approved_by) if shred.approved_by else None,
            due_at=shred.due_at,
            done_at=shred.done_at,
            proof=dict(shred.proof),
        )


class KeyStatusOut(Wire):
    """How a resource's keys stand."""

    due_at: datetime
    kek_versions: list[KekVersionOut]
    epochs: list[EpochStatusOut]
    reencryption: ReencryptionOut | None
    shred: ShredOut | None

    @classmethod
    def of(cls, status: KeyStatus) -> Self:
        """Translate."""
        return cls(
            due_at=status.due_at,
            kek_versions=[_version(status, number) for number in sorted(status.kek.made_at)],
            epochs=[
                EpochStatusOut(
                    epoch=one.key.epoch,
                    kek_version=one.key.kek_version,
                    made_at=one.key.created_at,
                    objects=one.objects,
                    bytes=one.size,
                    open_pushes=one.open_pushes,
                )
                for one in status.epochs
            ],
            reencryption=ReencryptionOut.of(status.reencryption) if status.reencryption else None,
            shred=ShredOut.of(status.shred) if status.shred else None,
        )


class RotateDueRequest(Wire):
    """Which keys to rotate next."""

    older_than_seconds: Annotated[int, Field(ge=0, le=10 * MAX_SECONDS)]
    after: Annotated[str | None, Field(max_length=160, description="The name to go on after.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class RotatedOut(Wire):
    """What became of one resource's keys."""

    name: str
    kek_version: int
    rewrapped: int
    rotated: bool
    failure: Annotated[str, Field(description="The error's code; empty if all is well.")]

    @classmethod
    def of(cls, done: Rotated) -> Self:
        """Translate."""
        return cls(
            name=str(done.name),
            kek_version=done.kek_version,
            rewrapped=done.rewrapped,
            rotated=done.was_due,
            failure=done.failure.code if done.failure else "",
        )


class RotateDueOut(Wire):
    """What became of some resources' keys, and where to go on."""

    resources: list[RotatedOut]
    next: str | None


def _version(status: KeyStatus, number: int) -> KekVersionOut:
    on_it = [one for one in status.epochs if one.key.kek_version == number]
    counted = all(one.objects is not None for one in status.epochs)
    return KekVersionOut(
        version=number,
        made_at=status.kek.made_at[number],
        data_keys=len(on_it),
        objects=sum(one.objects or 0 for one in on_it) if counted else None,
        bytes=sum(one.size or 0 for one in on_it) if counted else None,
    )
