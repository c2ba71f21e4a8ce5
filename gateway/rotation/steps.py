"""The steps of a rotation, what is known of one that is under way, and what each kind of secret must be able to do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.model import Secret

Facts = Mapping[str, str]
"""What is known of a rotation: `old` and `new`, as instances report them, and ids. Never a secret."""
OLD, NEW = "old", "new"


class Step(StrEnum):
    """What is done, in this order. Each may be done again: a run may be killed after it and before it is noted."""

    MAKE = "make"
    """There is a new one beside the old one."""
    PUBLISH = "publish"
    """It is where instances look for it."""
    TAKE_UP = "take-up"
    """Every instance says that it uses it."""
    ACTIVATE = "activate"
    """Whoever takes it, takes it."""
    VERIFY = "verify"
    """It was tried, and works."""
    OVERLAP = "overlap"
    """What was made with the old one has expired."""
    REVOKE = "revoke"
    """The old one was taken back."""
    PROVE = "prove"
    """No instance accepts the old one; it was tried, and is dead."""


_ORDER = tuple(Step)


def after(step: Step) -> Step | None:
    """Return the next step; None after the last.

    >>> after(Step.MAKE), after(Step.PROVE)
    (<Step.PUBLISH: 'publish'>, None)
    """
    place = _ORDER.index(step) + 1
    return _ORDER[place] if place < len(_ORDER) else None


@dataclass(frozen=True, slots=True)
class Present:
    """The secret that is in use."""

    name: str
    """Its version or fingerprint, as instances report it."""
    made_at: datetime | None = None
    """None where nobody remembers."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the rotation of one secret is."""

    step: Step | None = None
    """What is to be done next; None: nothing is under way."""
    since: datetime | None = None
    """When the step before it was done."""
    facts: Facts = field(default_factory=dict)
    finished_at: datetime | None = None
    """When the last rotation ended."""
    revision: int = 0
    """Of the record, for check-and-set."""


class Kind(ABC):
    """One secret, and how it is replaced. Every method may be called again with the same facts."""

    secret: Secret
    is_held: bool = True
    """Whether instances hold it, and say so; others use it in Vault, where there is nothing to take up."""
    overlap: timedelta = timedelta(0)
    """How long what was made with the old one may live."""

    @abstractmethod
    async def look(self) -> Present | None:
        """Return what is in use; None where there is none yet."""

    @abstractmethod
    async def make(self, facts: Facts) -> Facts:
        """Make a new one beside `facts["old"]`, and return what there is to know of it, `new` above all."""

    async def publish(self, facts: Facts) -> None:
        """Put it where instances look for it. There is nothing to do where that is where it was made."""
        del facts

    async def has_arrived(self, facts: Facts) -> bool:
        """Tell whether this machine has it, too, where it is published. Instances tell of theirs themselves."""
        del facts
        return True

    async def activate(self, facts: Facts) -> None:
        """Have it taken. There is nothing to do where it is taken from the moment it was made."""
        del facts

    @abstractmethod
    async def verify(self, facts: Facts) -> None:
        """Return if the new one works."""

    @abstractmethod
    async def revoke(self, facts: Facts) -> None:
        """Take the old one back."""

    @abstractmethod
    async def prove(self, facts: Facts) -> None:
        """Try the old one. Raises `SecretStillGood` if it opens anything."""
