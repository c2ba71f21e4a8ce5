"""A push that breaks off between two parts, and goes on: at the real gateway, and in the real S3."""

import os

import pytest

from gateway.client.progress import Silent

pytestmark = pytest.mark.integration

SIZE = 130 << 20
"""Three parts."""


class Interrupted(Exception):
    """Something breaks the push off."""


class Interrupting(Silent):
    """Breaks the push off when its second part is read."""

    def __init__(self):
        self.seen = 0

    def moved(self, size):
        self.seen += size
        if self.seen > 100 << 20:
            raise Interrupted


def test_a_push_goes_on_with_the_object_that_it_has_begun(sdk, name, tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    source = tmp_path / "source"
    source.mkdir()
    with (source / "long.bin").open("wb") as file:
        file.truncate(SIZE)
        file.write(os.urandom(1000))
    ada = sdk("ada")
    with pytest.raises(Interrupted):
        ada.push(source, name, progress=Interrupting())
    [journal] = (place for place in (tmp_path / "home" / "pushes").iterdir() if not place.suffix)
    assert journal.read_text().count('"etag"') == 1
    assert ada.push(source, name).uploaded == 1
    assert not journal.exists()
    ada.pull(name, tmp_path / "target")
    assert (tmp_path / "target" / "long.bin").read_bytes() == (source / "long.bin").read_bytes()
