"""What a resource's versions reach in the bucket: packs of pages, and objects. As bits, so that millions fit."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.catalog.cache import Pages
from gateway.catalog.manifest import root_of
from gateway.catalog.page import Child, Index
from gateway.model import Version


@dataclass(slots=True)
class Reach:
    """Objects by push and number, and packs by name."""

    packs: set[str] = field(default_factory=set)
    _objects: dict[str, bytearray] = field(default_factory=dict)

    def add(self, object_id: str) -> None:
        """Take an object, `<push id>/<number>`."""
        push_id, number = _split(object_id)
        bits = self._objects.setdefault(push_id, bytearray())
        if number >> 3 >= len(bits):
            # In steps, as numbers mostly come in order.
            bits.extend(bytes((number >> 3) + 1024 - len(bits)))
        bits[number >> 3] |= 1 << (number & 7)

    def has(self, object_id: str) -> bool:
        """Tell whether the object, or the one that it is a copy of, `<push id>/<number>@<epoch>`, is reached."""
        push_id, number = _split(object_id)
        bits = self._objects.get(push_id, b"")
        return number >> 3 < len(bits) and bool(bits[number >> 3] >> (number & 7) & 1)


def is_ours(object_id: str) -> bool:
    """Tell whether this names an object that a push wrote, or a copy of one.

    >>> is_ours("0a/12"), is_ours("0a/12@2"), is_ours("0a/pages")
    (True, True, False)
    """
    return object_id.rpartition("/")[2].partition("@")[0].isdecimal()


async def reach_of(versions: Iterable[Version], pages: Pages) -> Reach:
    """Return what these versions reach. Each page is read once, however many of them have it.

    Raises:
        IntegrityError: a page is damaged, so that nobody can tell what is reached.
    """
    reach = Reach()
    seen: set[bytes] = set()
    for version in versions:
        await _visit(root_of(version), pages, reach, seen)
    return reach


async def _visit(root: Child, pages: Pages, reach: Reach, seen: set[bytes]) -> None:
    waiting = [root]
    while waiting:
        child = waiting.pop()
        if child.place:
            # Also of a page seen elsewhere: two versions may have it in two places, and each needs its own.
            reach.packs.add(child.place.pack)
        digest = bytes.fromhex(child.digest)
        page = None if digest in seen else await pages.load(child)
        if isinstance(page, Index):
            # Not remembered as seen: the places below it may differ from those below its equal in another pack.
            waiting.extend(reversed(page.children))
        elif page is not None:
            seen.add(digest)
            for entry in page.entries:
                if is_ours(entry.object_id):
                    reach.add(entry.object_id)


def _split(object_id: str) -> tuple[str, int]:
    push_id, _, number = object_id.rpartition("/")
    return push_id, int(number.partition("@")[0])
