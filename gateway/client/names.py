"""Which paths of a version this system can have as files."""

import os
import re

from gateway.errors import InvalidPath

_WINDOWS_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names of devices, with any extension (Microsoft, "Naming Files, Paths, and Namespaces")."""
_WINDOWS_FORBIDDEN = re.compile(r'[<>:"|?*]')
_MAX_NAME_BYTES = 255
"""As ext4, XFS, APFS and NTFS have it."""


def require_fitting(path: str, *, system: str = os.name) -> None:
    """Pass if each name in a version's path can be a file's here; `system` is as `os.name`.

    >>> require_fitting("train/aux.csv", system="posix")
    >>> require_fitting("train/aux.csv", system="nt")
    Traceback (most recent call last):
    gateway.errors.InvalidPath: 'train/aux.csv' cannot be a file on this system: 'aux.csv' is the name of a device.

    Raises:
        InvalidPath: one cannot.
    """
    if len(path) <= _MAX_NAME_BYTES // 4 and system != "nt":
        return  # a character takes four bytes at most
    reason = next((fault for name in path.split("/") if (fault := _fault(name, system))), "")
    if reason:
        raise InvalidPath(
            f"{path[:80]!r} cannot be a file on this system: {reason}.",
            hint="Leave it out with --exclude, or pull on another system.",
        )


def _fault(name: str, system: str) -> str:
    if len(name.encode()) > _MAX_NAME_BYTES:
        return f"a name in it is longer than {_MAX_NAME_BYTES} bytes"
    if system != "nt":
        return ""
    if _WINDOWS_RESERVED.fullmatch(name):
        return f"{name!r} is the name of a device"
    if found := _WINDOWS_FORBIDDEN.search(name):
        return f"{name[:80]!r} has {found[0]!r} in it"
    return f"{name[:80]!r} ends with {name[-1]!r}" if name[-1] in ". " else ""
