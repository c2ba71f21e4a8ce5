"""What a bench is made of: a row, and a fair comparison.

A bench is a module in this folder with `def run() -> Iterable[Row]`. It is found by its name; nothing else is needed:

    def run() -> Iterable[Row]:
        seconds = side_by_side(lambda: sign_links(1_000), lambda: sign_with_boto3(1_000))
        yield Row.rate("presign", "GET links", seconds, 1_000, "links/s", baseline="boto3", aim=30)
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple, Self


class Seconds(NamedTuple):
    """Medians of the runs that were taken in turn."""

    ours: float
    baseline: float


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. A larger ratio is better for us; `aim` is the least that we want, or null."""

    bench: str
    case: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio: float
    aim: float | None
    met: bool | None

    @classmethod
    def rate(  # noqa: PLR0913  # a row's own fields
        cls,
        bench: str,
        case: str,
        seconds: Seconds,
        amount: float,
        unit: str,
        *,
        baseline: str,
        aim: float | None = None,
    ) -> Self:
        """Return the row of a comparison in which each side did `amount` of something; `unit` is "something/s"."""
        ratio = seconds.baseline / seconds.ours
        met = None if aim is None else ratio >= aim
        return cls(bench, case, amount / seconds.ours, unit, baseline, amount / seconds.baseline, ratio, aim, met)


def side_by_side(ours: Callable[[], object], baseline: Callable[[], object], rounds: int = 7) -> Seconds:
    """Run both in turn, each first in every other round, after one run that is not counted, and return the medians."""
    timed(ours), timed(baseline)
    taken: dict[Callable[[], object], list[float]] = {ours: [], baseline: []}
    for n in range(rounds):
        for side in (ours, baseline) if n % 2 else (baseline, ours):
            taken[side].append(timed(side))
    return Seconds(median(taken[ours]), median(taken[baseline]))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that the work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
