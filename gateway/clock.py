"""The time: the one place that reads it. Everything else is handed a `Clock`."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present as an aware `datetime` in UTC."""


def utc_now() -> datetime:
    """Return the present in UTC, from the system's clock."""
    return datetime.now(UTC)
