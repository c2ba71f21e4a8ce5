"""The API of one open push: objects, parts, commit, abort."""

from collections.abc import Callable, Iterable, Sequence

from gateway.client import answers
from gateway.client.answers import PartLink, PushSession, UploadSlot
from gateway.client.connection import Connection
from gateway.client.provenance import NOTHING_SAID, Provenance
from gateway.model import ResourceName, Version


def open_push(connection: Connection, name: ResourceName, *, description: str) -> PushSession:
    """Open a push of a resource."""
    # Not repeated: a second push would stay open until it runs out.
    found = connection.post(f"/v1/{name}/pushes", {"description": description}, repeatable=False)
    return answers.read(answers.push(name), found, connection.url)


class PushApi:
    """One push of one resource."""

    def __init__(self, connection: Connection, name: ResourceName, session: PushSession) -> None:
        self.session = session
        self._connection = connection
        self._name = name
        self._one = f"/v1/{name}/pushes/{session.id}"

    def reserve(self, sizes: Sequence[int]) -> Sequence[UploadSlot]:
        """Return an object for each plaintext size. A repetition only leaves numbers unused."""
        found = self._connection.post(f"{self._one}/objects", {"sizes": list(sizes)}, repeatable=True)
        return answers.read(answers.slots, found, self._connection.url)

    def object_key(self, number: int, size: int) -> bytes:
        """Return the key of an object of `size` plaintext bytes that is sent in parts, to go on with it."""
        return answers.read(answers.object_key, self._ask_parts(number, size, 1), self._connection.url)

    def part(self, number: int, size: int, part: int) -> PartLink:
        """Return a link to one part of an object of `size` plaintext bytes, signed as it is needed."""
        return answers.read(answers.parts, self._ask_parts(number, size, part), self._connection.url)[0]

    def complete(self, number: int, etags: Sequence[str]) -> None:
        """Join an object's parts; a repetition finds them joined."""
        self._connection.post(f"{self._one}/objects/{number}/complete", {"etags": list(etags)}, repeatable=True)

    def commit(
        self,
        lines: Callable[[], Iterable[bytes]],
        *,
        message: str,
        tags: Sequence[str],
        provenance: Provenance = NOTHING_SAID,
    ) -> Version:
        """Publish. The gateway answers a repetition with the same version."""
        params = {"message": message, "tag": list(tags), **provenance.params()}
        found = self._connection.post_lines(f"{self._one}/commit", lines, **params)
        return answers.read(answers.committed(self._name), found, self._connection.url)

    def abort(self) -> None:
        """Give the push up."""
        self._connection.delete(self._one)

    def _ask_parts(self, number: int, size: int, part: int) -> object:
        body = {"size": size, "parts": [part]}
        return self._connection.post(f"{self._one}/objects/{number}/parts", body, repeatable=True)
