"""The examples of the SDK's page, run in their order as they stand, on names that no other test knows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).parents[3] / "gateway/client/SDK.md").read_text(encoding="utf-8")


def test_the_examples_say_what_happens(login, name, folder):
    here = folder({"digits/digits.csv": b"0,1,2\n3,4,5\n"})
    program = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program.replace("dataset/vision/digits", name)],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.replace(name, "NAME").splitlines() == [
        "1 1",
        "b'0,1,2\\n'",
        "unknown-path",
        "NAME ['digits.csv']",
        "360",
        "['NAME@v2/counts.parquet', 'NAME@v2/digits.csv']",
        "3 ['NAME/digits.csv', 'NAME/old.csv', 'NAME/raw']",
        "b'0,1,2'",
    ], done.stderr
    assert (here / "there" / "digits.csv").read_bytes() == b"0,1,2\n3,4,5\n"
