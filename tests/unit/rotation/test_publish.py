"""A new secret replaces a file whole, and whoever read the old one reads the new one."""

import os
import stat

import pytest

from gateway.errors import InvalidConfiguration, LocalFileError
from gateway.rotation.publish import Files, read_secret

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "secret"
    made.write_text("old")
    made.chmod(0o640)
    return made


async def test_a_file_that_its_owner_could_not_read_any_more_is_left_alone(file, monkeypatch):
    file.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(LocalFileError, match="belongs to another user") as refused:
        await Files().put(file, "new")
    assert "chmod 640" in refused.value.hint
    assert (file.read_text(), [*file.parent.iterdir()]) == ("old", [file])


async def test_a_file_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(LocalFileError, match="cannot be replaced: No such file"):
        await Files().put(tmp_path / "none", "new")


async def test_the_rights_stay_as_they_were(file):
    before = file.stat()
    await Files().put(file, "new")
    after = file.stat()
    assert file.read_text() == "new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert stat.S_IMODE(after.st_mode) == 0o640


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidConfiguration, match="none cannot be read"):
        read_secret(tmp_path / "none")
