"""The README's lines, typed one by one as they stand; and its settings, read."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gateway import settings

pytestmark = pytest.mark.integration

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
WHO = {"gateway tag ": "grace", "gateway keys": "grace", "gateway audit": "otto"}
"""Whom a line needs; ada, where it is not said."""


def block(heading, language):
    """Return the first block of code in the language below a heading."""
    section = README.partition(f"\n## {heading}\n")[2]
    return textwrap.dedent(re.search(rf"^( *)```{language}\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)[2])


@pytest.fixture
def typed(start_gateway, token_for, folder, tmp_path):
    """Runs something as somebody types it, in a folder that has the files the README speaks of."""
    served = start_gateway()
    here = folder({"digits/digits.csv": b"0,1,2\n3,4,5\n6,7,8\n"})

    def run(who, *command):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GATEWAY_HOME": str(tmp_path / "home"),
            "GATEWAY_URL": served.url,
            "GATEWAY_TOKEN": token_for(served, who),
        }
        done = subprocess.run(
            command, env=environment, cwd=here, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    return run


def test_the_command_lines_work_as_they_stand(typed):
    lines = [line.partition("#")[0].strip() for line in block("The command line", "sh").splitlines()]
    assert lines[0].startswith("gateway login")  # opens a browser: tests/integration/test_login.py types it
    outputs = {}
    for line in lines[1:]:
        who = next((name for prefix, name in WHO.items() if line.startswith(prefix)), "ada")
        outputs[line.split()[1]] = typed(who, "bash", "-o", "pipefail", "-c", line)
    assert outputs["cat"] == "0,1,2\n3,4,5\n6,7,8\n"
    assert outputs["link"].startswith("http")


def test_the_python_lines_work_as_they_stand(typed):
    out = typed("ada", sys.executable, "-c", block("The Python SDK", "python"))
    assert out == "b'0,1,2\\n'\n"
    out = typed("ada", sys.executable, "-c", block("pandas, PyTorch and the rest", "python"))
    assert out == "['dataset/vision/digits@v2/digits.csv', 'dataset/vision/digits@v2/digits.parquet']\n"


def test_the_settings_are_read(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(block("Run it for real", "toml"), encoding="utf-8")
    found = settings.load(file)
    assert found.server.public_url == "https://gateway.example.com"
    assert found.issuers[0].client_id == "ml-data-gateway"
