"""The API of one open push: objects, parts, commit, abort."""

from collections.abc import Callable, Iterable, Sequence

from gateway.client import answers
from gateway.client.answers import PartLink, PushSession, UploadSlot
from gateway.client.connection import Connection
from gateway.model import ResourceName, Version


class PushApi:
    """One push of one resource."""

    def __init__(self, connection: Connection, name: ResourceName, *, description: str = "") -> None:
        self._connection = connection
        self._name = name
        self._all = f"/v1/{name}/pushes"
        # Not repeated: a second push would stay open until it runs out.
        found = connection.post(self._all, {"description": description}, repeatable=False)
        self.session: PushSession = answers.read(answers.push(name), found, connection.url)
        self._one = f"{self._all}/{self.session.id}"

    def reserve(self, sizes: Sequence[int]) -> Sequence[UploadSlot]:
        """Return an object for each plaintext size. A repetition only leaves numbers unused."""
        found = self._connection.post(f"{self._one}/objects", {"sizes": list(sizes)}, repeatable=True)
        return answers.read(answers.slots, found, self._connection.url)

    def part(self, slot: UploadSlot, size: int, part: int) -> PartLink:
        """Return a link to one part of an object of `size` plaintext bytes, signed as it is needed."""
        body = {"size": size, "parts": [part]}
        found = self._connection.post(f"{self._one}/objects/{slot.number}/parts", body, repeatable=True)
        return answers.read(answers.parts, found, self._connection.url)[0]

    def complete(self, slot: UploadSlot, etags: Sequence[str]) -> None:
        """Join an object's parts; a repetition finds them joined."""
        self._connection.post(f"{self._one}/objects/{slot.number}/complete", {"etags": list(etags)}, repeatable=True)

    def commit(self, lines: Callable[[], Iterable[bytes]], *, message: str, tags: Sequence[str]) -> Version:
        """Publish. The gateway answers a repetition with the same version."""
        found = self._connection.post_lines(f"{self._one}/commit", lines, message=message, tag=list(tags))
        return answers.read(answers.committed(self._name), found, self._connection.url)

    def abort(self) -> None:
        """Give the push up."""
        self._connection.delete(self._one)
