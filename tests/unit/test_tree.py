"""What is in the sources, and what must not be."""

from pathlib import Path

import pytest
from secret_scan import SECRETS, secrets_in

ROOT = Path(__file__).parents[2]
PLANTED = {
    "tests/vectors/jwt": "tokens of issuers that exist in these vectors alone, whose keys were thrown away",
    "tests/integration/test_lessons.py": "one of each kind, for the search to find",
    "tests/unit/audit/test_event.py": "the same, for the journal to refuse",
}
FORMS = set(SECRETS) - {"32 bytes in base64", "a stream link", "a presigned link"}
"""What tells a secret in sources: the others are in code and examples without one."""


def sources():
    folders = ("gateway", "infra", "policies", "scripts", "tests", ".ci")
    yield from (file for file in ROOT.iterdir() if file.suffix in {".md", ".toml"})
    for folder in folders:
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and not {"__pycache__", "node_modules"} & set(file.parts):
                yield file


@pytest.mark.parametrize("where", PLANTED)
def test_each_exception_is_still_one(where):
    place = ROOT / where
    files = [place] if place.is_file() else place.rglob("*.json")
    assert any(secrets_in(file.read_bytes()) for file in files)


def test_no_secret_is_in_the_sources():
    found = []
    for file in sources():
        name = file.relative_to(ROOT).as_posix()
        if not name.startswith(tuple(PLANTED)):
            found += [f"{name}: {kind}" for kind in FORMS & set(secrets_in(file.read_bytes()))]
    assert found == []
