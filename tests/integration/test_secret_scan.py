"""The scan at the end of each run of the tests, run on a small one that leaks."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "plugins"
TOKEN = "eyJ" + "hbGciOi" * 3 + "." + "eyJzdWIi" * 3 + "." + "c2lnbmF0" * 3


@pytest.fixture
def run():
    """Runs one test of this body with the scan, and returns its exit code and what it says."""
    with tempfile.TemporaryDirectory() as name:  # elsewhere, where the scan of this run does not look
        folder = Path(name)

        def of(body, *options):
            (folder / "test_leak.py").write_text(f"TOKEN = {TOKEN!r}\ndef test_leak(tmp_path):\n    {body}\n")
            words = ["-p", "secret_scan", "-p", "no:cacheprovider", "-c", os.devnull, *options]
            places = [f"--rootdir={folder}", f"--basetemp={folder / 'base'}", folder]
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *words, *places],
                env={"PYTHONPATH": str(PLUGINS)},
                capture_output=True,
                text=True,
                check=False,
            )
            return done.returncode, done.stdout + done.stderr

        yield of


LEAKS = """print(TOKEN)
    import logging
    logging.getLogger("x").warning(TOKEN)
    (tmp_path / "gateway.log").write_text(TOKEN)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "password").write_text("correct horse battery")
    (tmp_path / "other.log").write_text("the password is correct horse battery")
"""


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_each_leak_fails_the_run_and_is_named_and_not_shown(run, options):
    code, said = run(LEAKS, *options)
    assert code == 1
    for find in (
        "Captured stdout call: a JWT",
        "Captured log call: a JWT",
        "gateway.log: a JWT",
        "other.log: what password holds",
    ):
        assert find in said
    assert TOKEN not in said
    assert "correct horse" not in said


def test_a_run_that_leaks_nothing_passes(run):
    assert run("print('dataset/vision/digits', '0' * 64, '8b0e0f5e-0000-0000-0000-000000000000')")[0] == 0
