"""Keys: how they stand, rotation, new epochs, re-encryption and shredding. For those who look after datasets."""

import time
from collections.abc import Callable, Iterator

from gateway.client import answers, key_answers
from gateway.client.answers import Rotation
from gateway.client.connection import Connection
from gateway.client.key_answers import KeyStatus, ReencryptionInfo, Rotated, ShredInfo
from gateway.model import ResourceName

Named = str | ResourceName
_PAGE = 50


class Keys:
    """The keys that we may look after."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def status(self, resource: Named, *, count: bool = True) -> KeyStatus:
        """Return what hangs on each version of the KEK and on each epoch; to count objects reads every manifest."""
        found = self._connection.get(_path(resource, "/keys"), count="true" if count else "false")
        return answers.read(key_answers.status, found, self._connection.url)

    def rotate(self, resource: Named) -> Rotation:
        """Add a version to the resource's KEK and rewrap its data keys under it. No file is touched."""
        found = self._connection.post(_path(resource, "/keys:rotate"), {}, repeatable=False)
        return answers.read(answers.rotation, found, self._connection.url)

    def rotate_due(
        self,
        *,
        older_than_seconds: int,
        after: Named | None = None,
        per_second: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Rotated]:
        """Rotate every key that is so old, as far as we may; yield what became of each, in the order of their names.

        What was rotated is young: a run that was cut off is simply begun again, or goes on after a name.

        Args:
            older_than_seconds: The age from which on a key is due.
            after: The name to go on after.
            per_second: The pace, in resources.
            sleep: How to wait for it.
        """
        name = None if after is None else str(_name(after))
        while True:
            began = time.monotonic()
            body = {"older_than_seconds": older_than_seconds, "after": name, "limit": _PAGE}
            found = self._connection.post("/v1/keys:rotate-due", body, repeatable=True)
            page, name = answers.read(key_answers.rotated, found, self._connection.url)
            yield from page
            if name is None:
                return
            if per_second:
                sleep(max(0.0, began + len(page) / per_second - time.monotonic()))

    def new_epoch(self, resource: Named) -> int:
        """Make a new data key for what is pushed from now on; return its epoch."""
        found = self._connection.post(_path(resource, "/keys:new-epoch"), {}, repeatable=False)
        return answers.read(lambda answer: int(answer["epoch"]), found, self._connection.url)

    def retire(self, resource: Named) -> int:
        """Let only the KEK's newest version open data keys, and return it.

        Raises:
            StillNeeded: a data key hangs on an older version.
        """
        found = self._connection.post(_path(resource, "/keys:retire"), {}, repeatable=True)
        return answers.read(lambda answer: int(answer["oldest_kek_version"]), found, self._connection.url)

    def reencrypt(self, resource: Named, *, bytes_per_second: int | None = None) -> ReencryptionInfo:
        """Have the resource's objects moved to its newest epoch; it goes on by itself.

        Raises:
            Conflict: that is under way.
        """
        body = {"bytes_per_second": bytes_per_second}
        found = self._connection.post(_path(resource, "/reencryption"), body, repeatable=False)
        return answers.read(key_answers.reencryption, found, self._connection.url)

    def reencryption(self, resource: Named) -> ReencryptionInfo:
        """Return how far the resource's newest re-encryption is."""
        found = self._connection.get(_path(resource, "/reencryption"))
        return answers.read(key_answers.reencryption, found, self._connection.url)

    def stop_reencryption(self, resource: Named) -> None:
        """Stop it. What was moved is moved."""
        self._connection.delete(_path(resource, "/reencryption"))

    def shred(self, resource: Named, *, confirm: str, reason: str) -> ShredInfo:
        """Ask for the resource's keys to be destroyed; somebody else must approve. `confirm` is its name once more."""
        body = {"confirm": confirm, "reason": reason}
        found = self._connection.post(_path(resource, "/shred"), body, repeatable=False)
        return answers.read(key_answers.shred, found, self._connection.url)

    def approve_shred(self, resource: Named, *, confirm: str) -> ShredInfo:
        """Approve what somebody else asked for. It is done after a delay, in which it can be undone."""
        found = self._connection.post(_path(resource, "/shred:approve"), {"confirm": confirm}, repeatable=False)
        return answers.read(key_answers.shred, found, self._connection.url)

    def undo_shred(self, resource: Named) -> None:
        """Undo it, before its time has come."""
        self._connection.delete(_path(resource, "/shred"))

    def shredding(self, resource: Named) -> ShredInfo:
        """Return how far a shredding is, with the proof if it is done."""
        found = self._connection.get(_path(resource, "/shred"))
        return answers.read(key_answers.shred, found, self._connection.url)


def _name(resource: Named) -> ResourceName:
    return resource if isinstance(resource, ResourceName) else ResourceName.parse(resource)


def _path(resource: Named, rest: str) -> str:
    return f"/v1/{_name(resource)}{rest}"
