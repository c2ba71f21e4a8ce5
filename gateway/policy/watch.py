"""Policies that follow their folder: swapped in whole when it changes, the last good set while it is invalid."""

from pathlib import Path

from gateway.errors import InvalidPolicy
from gateway.model import AccessRequest, Decision
from gateway.policy.folder import load_policies, policy_files

_Stamp = tuple[tuple[str, int, int, int], ...]


class WatchedPolicies:
    """The policy set in force, kept up to date by whoever calls `refresh` from time to time.

    Raises:
        InvalidPolicy: the folder is invalid at the start, so that there is no last good set.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stamp = _stamp_of(directory)
        self.current = load_policies(directory)
        self.fault: InvalidPolicy | None = None
        """Why the folder as it is now is not in force; None if it is. For `/readyz` and the alert event."""

    def decide(self, request: AccessRequest) -> Decision:
        """Answer by the set in force."""
        return self.current.decide(request)

    def denies(self, request: AccessRequest) -> Decision | None:
        """Return the explicit deny of the set in force, if there is one."""
        return self.current.denies(request)

    def decide_below(self, request: AccessRequest) -> Decision | None:
        """Answer for all that is below a prefix, if it is one answer."""
        return self.current.decide_below(request)

    def refresh(self) -> bool:
        """Look at the folder. Returns whether there is news: another set in force, or another fault."""
        stamp = _stamp_of(self._directory)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        before = (self.current.digest, self.fault and self.fault.message)
        try:
            self.current, self.fault = load_policies(self._directory), None
        except InvalidPolicy as error:
            self.fault = error
        return before != (self.current.digest, self.fault and self.fault.message)


def _stamp_of(directory: Path) -> _Stamp:
    """Return what changes with any file, without reading one. A file that has gone meanwhile is a change."""
    stamps = []
    for path in policy_files(directory):
        try:
            status = path.stat()
        except OSError:
            stamps.append((path.name, 0, 0, 0))
        else:
            # The time of the change of its inode moves also where a tool sets the file's own time back.
            stamps.append((path.name, status.st_ino, status.st_ctime_ns, status.st_size))
    return tuple(stamps)
