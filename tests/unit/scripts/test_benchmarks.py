import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "scripts" / "benchmarks"


def bench(*arguments):
    return subprocess.run(
        [sys.executable, BENCHMARKS, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import harness  # noqa: PLC0415  # found by the line above alone

    return harness


@pytest.fixture
def report(harness):
    import report  # noqa: PLC0415  # the same

    return report


def test_an_unknown_bench_is_refused_with_those_that_are_known():
    run = bench("envelope", "nosuch")
    assert run.returncode == 2
    assert "no bench nosuch" in run.stderr
    assert "envelope" in run.stderr


def test_a_folder_that_is_not_there_is_refused_before_anything_is_measured(tmp_path):
    run = bench("--json", tmp_path / "missing" / "rows.json")
    assert run.returncode == 2
    assert "does not exist" in run.stderr
    assert not run.stdout


def test_both_sides_run_in_turn_and_each_goes_first(harness):
    order = []
    harness.side_by_side(lambda: order.append("ours"), lambda: order.append("theirs"), rounds=2)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


@pytest.mark.parametrize(("aim", "met"), [(3, False), (2, True), (None, None)])
def test_a_larger_ratio_is_better_for_us(harness, aim, met):
    row = harness.Row.rate("b", "c", harness.Seconds(2, 4), 8, "things/s", baseline="theirs", aim=aim)
    assert (row.value, row.baseline_value, row.ratio, row.met) == (4, 2, 2, met)


def test_rows_are_written_with_the_fields_that_programs_read(harness, report):
    row = harness.Row.rate("b", "c", harness.Seconds(1, 2), 3, "things/s", baseline="theirs")
    assert json.loads(report.as_json([row])) == [
        {
            "bench": "b",
            "case": "c",
            "value": 3,
            "unit": "things/s",
            "baseline": "theirs",
            "baseline_value": 1.5,
            "ratio": 2,
            "aim": None,
            "met": None,
        }
    ]


def test_the_table_is_plain_without_a_terminal(harness, report, capsys):
    report.show([harness.Row.rate("b", "a case", harness.Seconds(1, 2), 3000, "things/s", baseline="theirs", aim=1)])
    shown = capsys.readouterr().out
    assert "a case" in shown
    assert "3,000 things/s" in shown
    assert "\x1b" not in shown


def test_the_markdown_table_has_a_line_a_row(harness, report):
    row = harness.Row.rate("b", "c", harness.Seconds(1, 2), 3, "x/s", baseline="theirs", aim=1)
    assert report.as_markdown([row]).splitlines()[2] == "| b | c | 3 x/s | theirs: 1.5 x/s | 2 x | 1 x | yes |"
