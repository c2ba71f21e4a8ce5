"""What a stream link can be narrowed to, beside its file and its time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Limits of a stream link; each that is None does not limit. S3 knows none of them, so direct links have none."""

    span: tuple[int, int] | None = None
    """The first and the last byte that may be read, both included."""
    network: str | None = None
    """Where it may be used: a CIDR block, or one address."""
    uses: int | None = None
    """How many times it may send bytes."""
    bound: bool = False
    """Whether who uses it must prove the key that our token is bound to (DPoP)."""

    def fields(self) -> dict[str, object]:
        """Return what a request for links says of them.

        >>> LinkLimits(span=(0, 99), uses=1).fields()
        {'range': [0, 99], 'uses': 1}
        """
        found: dict[str, object] = {
            "range": list(self.span) if self.span else None,
            "network": self.network,
            "uses": self.uses,
            "bound": self.bound or None,
        }
        return {name: value for name, value in found.items() if value is not None}


UNLIMITED = LinkLimits()
