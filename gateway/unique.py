"""Ids that are unique and nobody's secret: of requests and events. What must not be guessed comes from `secrets`."""

from random import Random

_random = Random()  # noqa: S311 -- a client may choose its request's id; nothing hangs on these being unforeseen


def unique_id(size: int) -> str:
    """Return `size` random bytes in hex, from a generator that the system seeded once for this process.

    Reading the system's source each time lets go of the interpreter's lock, for which another thread then waits:
    that costs a request more than all else that its event needs.

    >>> len(unique_id(16))
    32
    """
    return f"{_random.getrandbits(8 * size):0{2 * size}x}"
