"""Refuses lists of files that no folder could hold: a name twice, a file that is a folder, names alike but for case.

Paths come sorted by their UTF-8 bytes, so what is below one folder comes in one run. Only the names in the folders
that are open right now are kept: as many as the longest chain of folders has, not as the version has.
"""

import unicodedata

from gateway.errors import InvalidPath


class NameCheck:
    """Takes a version's paths one by one, in order.

    >>> check = NameCheck()
    >>> check.add("data/A.csv")
    >>> check.add("data/a.csv")
    Traceback (most recent call last):
    gateway.errors.InvalidPath: 'data/a.csv' and 'A.csv' in the same folder differ only in case.
    """

    def __init__(self) -> None:
        self._last = ""
        self._folder = ""
        self._open: list[tuple[str, dict[str, str]]] = [("", {})]
        """From the root down: each open folder's path with '/', and its names so far under their folded forms."""

    def add(self, path: str) -> None:
        """Take the next path.

        Raises:
            InvalidPath: it cannot stand beside those before it; the message says why.
        """
        if path <= self._last:
            if path == self._last:
                raise listed_twice(path)
            raise InvalidPath(
                f"{path[:80]!r} is listed after {self._last[:80]!r}.", hint="Sort files by the UTF-8 bytes of path."
            )
        self._last = path
        folder, slash, name = path.rpartition("/")
        if folder + slash != self._folder:
            self._enter(folder + slash)
        self._claim(name, path)

    def _enter(self, folder: str) -> None:
        while not folder.startswith(self._open[-1][0]):
            self._open.pop()
        start = self._open[-1][0]
        for name in folder[len(start) : -1].split("/") if len(folder) > len(start) else ():
            self._claim(name, self._last)
            start += name + "/"
            self._open.append((start, {}))
        self._folder = folder

    def _claim(self, name: str, path: str) -> None:
        names = self._open[-1][1]
        folded = fold(name)
        other = names.get(folded)
        if other is not None:
            raise _collision(name, other, path)
        # Most names are their own folded form; one string is then kept, not two.
        names[folded] = folded if folded == name else name


def listed_twice(path: str) -> InvalidPath:
    """Return the error for a path that comes a second time."""
    return InvalidPath(f"{path[:80]!r} is listed twice.", hint="List each file once.")


def _collision(name: str, other: str, path: str) -> InvalidPath:
    if name == other:
        return InvalidPath(f"{name[:80]!r} is both a file and a folder of {path[:80]!r}.", hint="Rename one of them.")
    return InvalidPath(
        f"{path[:80]!r} and {other[:80]!r} in the same folder differ only in case.",
        hint="Some systems could not keep both. Rename one of them.",
    )


def fold(name: str) -> str:
    """Return what names have in common that a case-insensitive file system takes for one.

    >>> fold("Straße.CSV")
    'strasse.csv'

    The source is Unicode 15, 3.13, D145: canonical caseless matching.
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
