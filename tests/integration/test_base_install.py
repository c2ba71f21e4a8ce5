"""The base install: the client and the command line run without any package of the server's extra."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
ON_BASE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
{program}
"""


def base_distributions():
    """The client's dependencies and theirs, of what is installed here."""
    found, waiting = set(), list(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"])
    while waiting:
        needed = Requirement(waiting.pop())
        name = canonicalize_name(needed.name)
        if name not in found and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            found.add(name)
            waiting += metadata.requires(name) or []
    return found


def absent_modules():
    """Every module that a base install would not have."""
    base = base_distributions()
    modules = metadata.packages_distributions().items()
    return {module for module, owners in modules if base.isdisjoint(map(canonicalize_name, owners))} - {"gateway"}


@pytest.fixture
def run(tmp_path):
    """Runs a program, or `gateway WORDS`, as a base install would."""

    def run(*words, program="from gateway.cli import main\nsys.exit(main())"):
        return subprocess.run(
            [sys.executable, "-c", ON_BASE.format(absent=absent_modules(), program=program), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
            timeout=60,
            env={"GATEWAY_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "COLUMNS": "100"},
        )

    return run


@pytest.mark.parametrize("package", ["fastapi", "boto3", "sqlalchemy", "hvac", "obstore"])
def test_the_server_is_absent_here(run, package):
    assert f"No module named '{package}'" in run(program=f"import {package}").stderr


@pytest.mark.parametrize(("words", "extra"), [(["serve"], "server"), (["dev"], "dev")])
def test_what_needs_the_server_names_the_extra_that_brings_it(run, words, extra):
    done = run(*words)
    assert done.returncode == 16, done.stderr
    assert f"ml-data-gateway[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sdk_and_the_command_line_are_whole(run):
    done = run(program="import gateway.client, gateway.cli\nprint(gateway.client.Gateway.__name__)")
    assert (done.returncode, done.stdout) == (0, "Gateway\n"), done.stderr
    done = run("--help")
    assert done.returncode == 0, done.stderr
    assert "pull" in done.stdout


@pytest.mark.parametrize("words", [["policy", "lint", "policies"], ["policy", "test", "policies"]])
def test_policies_are_examined_without_a_server(run, words):
    done = run(*words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["login", "ls", "push", "pull", "cat", "link", "tag", "audit", "keys", "whoami"])
def test_every_client_command_explains_itself(run, command):
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout or "COMMAND" in done.stdout
