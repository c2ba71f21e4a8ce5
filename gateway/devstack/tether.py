"""Becomes a program that dies with the process that started it. Run as a script: `tether.py PARENT PROGRAM ARGUMENT…`.

A finally-clause cannot stop a child when its parent is SIGKILLed; the kernel can. The request survives `execve`, so
this script asks for it and then becomes the program (prctl(2), PR_SET_PDEATHSIG). Elsewhere than on Linux it only
becomes the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie this process to `parent`, a process id, and become `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew of our wish
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
