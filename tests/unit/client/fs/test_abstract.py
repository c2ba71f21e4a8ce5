"""fsspec's own tests of a file system, on ours. Each change publishes a version; folders are where files are."""

from contextlib import nullcontext

import pytest
from fsspec.tests.abstract import AbstractFixtures
from fsspec.tests.abstract.copy import AbstractCopyTests
from fsspec.tests.abstract.get import AbstractGetTests
from fsspec.tests.abstract.open import AbstractOpenTests
from fsspec.tests.abstract.pipe import AbstractPipeTests
from fsspec.tests.abstract.put import AbstractPutTests

NAME = "dataset/vision/written"


def in_one_version(arrange):
    """What a test finds is published at once, wherever that makes a version."""

    def run(self, some_fs, some_join, some_path):
        with some_fs.one_version() if hasattr(some_fs, "one_version") else nullcontext():
            return arrange(self, some_fs, some_join, some_path)

    return run


class Fixtures(AbstractFixtures):
    _bulk_operations_scenario_0 = in_one_version(AbstractFixtures._bulk_operations_scenario_0)
    _glob_edge_cases_files = in_one_version(AbstractFixtures._glob_edge_cases_files)
    _dir_and_file_with_same_name_prefix = in_one_version(AbstractFixtures._dir_and_file_with_same_name_prefix)
    _10_files_with_hashed_names = in_one_version(AbstractFixtures._10_files_with_hashed_names)

    @pytest.fixture
    def fs(self, sim, fs):
        sim.publish(NAME, {"README.md": b"A version has at least one file."})
        return fs

    @pytest.fixture
    def fs_path(self):
        return f"{NAME}/below"

    @pytest.fixture
    def fs_join(self):
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self):
        return False


class TestCopy(AbstractCopyTests, Fixtures):
    pass


class TestGet(AbstractGetTests, Fixtures):
    pass


class TestPut(AbstractPutTests, Fixtures):
    pass


class TestOpen(AbstractOpenTests, Fixtures):
    pass


class TestPipe(AbstractPipeTests, Fixtures):
    pass
