"""SECURITY.md names the tests that hold its answers; each of them exists."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[a-z0-9_/]+\.py)::([A-Za-z0-9_:]+)`", (REPOSITORY / "SECURITY.md").read_text())


def test_every_threat_names_a_test():
    rows = [line for line in (REPOSITORY / "SECURITY.md").read_text().splitlines() if line.count("|") == 5]
    threats = [row for row in rows if not row.startswith(("| kind", "|---"))]
    assert threats
    assert all("::test_" in row for row in threats)


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_named_test_exists(file, test):
    source = (REPOSITORY / file).read_text()
    for name in test.split("::"):
        assert re.search(rf"^\s*(async def|def|class) {name}\b", source, re.MULTILINE)
