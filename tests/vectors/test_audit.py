"""Each file of audit/ is a journal, named for its fault and first bad record. Written by scripts/gen_audit_vectors."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from gateway.audit.chain import examine
from gateway.audit.segments import read_lines

FOLDER = Path(__file__).parent / "audit"
BROKEN = sorted(path.stem for path in FOLDER.glob("*-*.ndjson"))


def test_every_fault_has_a_journal():
    assert {re.match(r"[a-z]+(-genesis)?", name)[0] for name in BROKEN} == {
        "altered",
        "inserted",
        "removed",
        "reordered",
        "truncated",
        "wrong-genesis",
    }


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_journal_is_named_for_what_was_done(name):
    finding = examine(read_lines(FOLDER / f"{name}.ndjson")).finding
    assert name.startswith(finding.fault)
    assert name.endswith(f"-{finding.seq}")


def test_the_whole_journal_verifies():
    report = examine(read_lines(FOLDER / "whole.ndjson"))
    assert (report.finding, report.count, report.instance) == (None, 6, "gateway-1")


def test_the_whole_journal_is_what_the_format_says_without_our_code():
    lines = (FOLDER / "whole.ndjson").read_text().splitlines()
    first = json.loads(lines[0])["event"]
    prev = hashlib.sha256(f"gateway journal v1\n{first['app']['uid']}\n{first['time']}\n".encode()).hexdigest()
    for seq, line in enumerate(lines, 1):
        event = json.dumps(json.loads(line)["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        covered = f'{{"seq":{seq},"prev":"{prev}","event":{event}'
        prev = hashlib.sha256(covered.encode()).hexdigest()
        assert line == f'{covered},"hash":"{prev}"}}'
