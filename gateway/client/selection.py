"""Which files of a pull or a push are meant: shell patterns over whole paths, as `*.parquet` or `train/*`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import translate


@dataclass(frozen=True, slots=True)
class Selection:
    """Files that match one of `include`, or all where it is empty, and none of `exclude`.

    `*` and `?` match '/' too, so that `*.csv` means every CSV file, however deep.

    >>> wanted = Selection(include=("train/*",), exclude=("*.tmp",))
    >>> [path for path in ("train/a/b.csv", "train/a.tmp", "test/a.csv") if wanted.takes(path)]
    ['train/a/b.csv']
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    _included: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _excluded: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_included", _any_of(self.include))
        object.__setattr__(self, "_excluded", _any_of(self.exclude))

    @property
    def is_all(self) -> bool:
        """Whether it leaves nothing out."""
        return not self.include and not self.exclude

    def takes(self, path: str) -> bool:
        """Tell whether the file is meant."""
        wanted = self._included is None or self._included.match(path)
        return bool(wanted) and not (self._excluded and self._excluded.match(path))


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, patterns))) if patterns else None


ALL = Selection()
"""Leaves nothing out."""
