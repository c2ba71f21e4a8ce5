"""`gateway revoke --before` takes a moment that means the same everywhere."""

import pytest

from gateway.cli.revoke import moment
from gateway.errors import InvalidInput


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31", "2026-01-31T12:00:00", "1d", "2026-13-01T00:00:00Z"])
def test_what_is_no_moment_or_has_no_zone_is_refused(text):
    with pytest.raises(InvalidInput, match="no moment"):
        moment(text)


def test_a_zone_is_kept():
    assert moment("2026-01-31T12:00:00+02:00") == moment("2026-01-31T10:00:00Z")
