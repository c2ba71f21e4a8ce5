import stat

import pytest

from gateway.devstack.folder import StateFolder
from gateway.errors import LocalFileError, StateInUse


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_in_use_is_refused_by_name(tmp_path):
    with (
        StateFolder(tmp_path / "state"),
        pytest.raises(StateInUse, match="state is in use by another run"),
        StateFolder(tmp_path / "state"),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalFileError, match="file/state cannot keep"), StateFolder(tmp_path / "file" / "state"):
        pass


def test_a_folder_is_free_again_after_its_run(tmp_path):
    for _ in range(2):
        with StateFolder(tmp_path / "state") as folder:
            assert folder.path == tmp_path / "state"


def test_secrets_are_for_our_eyes_only(tmp_path):
    with StateFolder(tmp_path / "state") as folder:
        file = folder.keep_secret("password", "one")
        folder.keep_secret("password", "two")
        assert file == folder.secret_file("password")
        assert file.read_text() == "two"
        assert mode(file) == 0o600
        assert mode(file.parent) == mode(folder.path) == mode(folder.log("x").parent) == 0o700
        assert [path.name for path in file.parent.iterdir()] == ["password"]


def test_a_random_secret_is_made_once(tmp_path):
    with StateFolder(tmp_path / "state") as folder:
        first = folder.random_secret("a").read_text()
        assert folder.random_secret("a").read_text() == first
        assert folder.random_secret("b").read_text() != first
        assert len(first) == 24
