"""Where keys are in memory: not in the swap, not in a core dump, and not for other processes of the same user to read.

What Python itself copies cannot be held to this: see SECURITY.md, "Keys in memory".
"""

import ctypes
import logging
import mmap
import resource
import sys

from gateway.keys.derive import KEY_BYTES

log = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4
"""prctl(2): at 0, no core is dumped, and /proc/PID/mem and ptrace(2) are for the superuser alone."""
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
"""mlockall(2): all pages of now and later, each from the moment that it is first used."""
_CAP_IPC_LOCK = 14
"""capabilities(7): may lock memory without a limit."""

_libc = ctypes.CDLL(None, use_errno=True)


class KeyMemory:
    """Places for so many keys of 32 bytes, in pages of their own: locked into memory, and left out of core dumps.

    >>> memory = KeyMemory(2)
    >>> memory.write(1, bytes(range(32)))
    >>> memory.read(1) == bytes(range(32))
    True
    >>> memory.wipe(1)
    >>> memory.read(1) == bytes(32)
    True
    """

    def __init__(self, places: int) -> None:
        size = places * KEY_BYTES
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if sys.platform == "linux":
            self._memory.madvise(mmap.MADV_DONTDUMP)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self.is_locked = _libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)) == 0
        if not self.is_locked:
            log.warning("keys may be swapped to disk: RLIMIT_MEMLOCK allows less than %d bytes", size)

    def read(self, place: int) -> bytes:
        """Return a copy of what is there."""
        return self._memory[place * KEY_BYTES : (place + 1) * KEY_BYTES]

    def write(self, place: int, key: bytes) -> None:
        """Put a key there.

        Raises:
            ValueError: it is not 32 bytes long.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"A key has {KEY_BYTES} bytes.")
        self._memory[place * KEY_BYTES : (place + 1) * KEY_BYTES] = key

    def wipe(self, place: int) -> None:
        """Overwrite what is there."""
        self.write(place, bytes(KEY_BYTES))


def protect_process() -> None:
    """Forbid core dumps and other processes' looks into this one, and keep it out of the swap where we may.

    To be called before a secret is read. What the system does not allow is said in the log.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        log.warning("this system has no way to keep the memory of a process from its user's other processes")
        return
    if _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("other processes of this user can read our memory: prctl failed (errno %d)", ctypes.get_errno())
    if not _lock_everything():
        log.warning("only cached data keys are kept out of the swap: LimitMEMLOCK=infinity, or CAP_IPC_LOCK, keeps all")


def _lock_everything() -> bool:
    # Where the limit is finite it would count from now on, and stop us when we have grown up to it.
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY and not _may_lock():
        return False
    locked: int = _libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)
    return locked == 0


def _may_lock() -> bool:
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 -- a file of the kernel's
        effective = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_IPC_LOCK & 1)
