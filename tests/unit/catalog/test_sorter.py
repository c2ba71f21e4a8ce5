import random
import tempfile

import pytest

from gateway.catalog.sorter import Sorter
from gateway.errors import InvalidPath, StateUnavailable

pytestmark = pytest.mark.anyio
PATHS = [f"{number:04}é" for number in range(1000)]


async def test_a_path_that_comes_twice_in_a_run_is_refused(entry):
    with Sorter(run=2) as sorter:
        await sorter.add(entry("a"))
        with pytest.raises(InvalidPath, match="'a' is listed twice"):
            await sorter.add(entry("a"))


class Full:
    """A disk that takes a little, or nothing any more."""

    def __init__(self, takes):
        self.takes = takes

    def write(self, data):
        if not self.takes:
            raise OSError(28, "No space left on device")
        return self.takes

    def close(self):
        pass


@pytest.mark.parametrize("takes", [0, 1])
async def test_a_full_disk_is_said_so(entry, monkeypatch, takes):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full(takes))
    with Sorter(run=1) as sorter, pytest.raises(StateUnavailable, match="no room"):
        await sorter.add(entry("a"))


@pytest.mark.parametrize("run", [1, 7, 256, 999, 1000, 2000])
async def test_files_come_back_sorted_however_they_came(entry, run):
    shuffled = random.Random(run).sample(PATHS, len(PATHS))  # noqa: S311 -- no secret
    with Sorter(run=run) as sorter:
        for path in shuffled:
            await sorter.add(entry(path))
        assert list(sorter.sorted()) == [entry(path) for path in PATHS]
        assert sorter.count == len(PATHS)


async def test_no_path_is_on_the_disk_in_the_clear(entry, tmp_path, monkeypatch):
    kept = (tmp_path / "spilled").open("w+b", buffering=0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: kept)
    with Sorter(run=10) as sorter:
        for number in range(10):
            await sorter.add(entry(f"secret-{number}-" + "secret" * 20))
        written = (tmp_path / "spilled").read_bytes()
        assert len(written) > 100
        assert b"secret" not in written
        assert len(list(sorter.sorted())) == 10
