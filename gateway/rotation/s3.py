"""The gateway's credentials at S3: another access key of the same user, and the old one deleted."""

from datetime import timedelta

import anyio
from anyio import to_thread

from gateway.errors import InvalidConfiguration, SecretStillGood, StorageUnavailable
from gateway.model import Secret, fingerprint
from gateway.ports import StorageCredentials
from gateway.rotation.book import Book
from gateway.rotation.publish import Publisher
from gateway.rotation.steps import NEW, OLD, Facts, Kind, Present
from gateway.settings import StorageSettings
from gateway.storage.credentials import read_credentials
from gateway.storage.rotation import AccessKeys

_KNOWN = "known"
_ATTEMPTS, _PAUSE_SECONDS = 30, 1.0
"""S3 hears later of what IAM was told (AWS, "Troubleshooting IAM": changes are not always immediately visible)."""


class S3Credentials(Kind):
    """An access key.

    Args:
        storage: The settings that name its files.
        book: Keeps the old one, to try it in the end, and the new one until it is published.
        publisher: Puts it where it is looked for.
        overlap: How long direct links live, which it signs.
    """

    secret = Secret.S3_CREDENTIALS

    def __init__(self, storage: StorageSettings, book: Book, publisher: Publisher, *, overlap: timedelta) -> None:
        self._storage = storage
        self._book = book
        self._publisher = publisher
        self._keys = AccessKeys(storage)
        self.overlap = overlap

    async def look(self) -> Present | None:
        """Return the one in the settings' files; None of temporary ones, which end by themselves."""
        if self._storage.session_token_file:
            return None
        current = read_credentials(self._storage)
        ids = await to_thread.run_sync(self._keys.ids, current)
        return Present(fingerprint(current.access_key_id), ids.get(current.access_key_id))

    async def make(self, facts: Facts) -> Facts:
        """Make another access key, and wait until S3 knows it."""
        kept = await self._book.pending(self.secret)
        if not kept:
            current = read_credentials(self._storage)
            known = await to_thread.run_sync(self._keys.ids, current)
            kept = _kept(OLD, current) | {_KNOWN: " ".join(known)}
            await self._book.keep(self.secret, kept)
        if f"{NEW}-id" not in kept:
            old = _credentials(OLD, kept)
            await self._sweep(old, kept[_KNOWN].split())
            kept |= _kept(NEW, await to_thread.run_sync(self._keys.create, old))
            await self._book.keep(self.secret, kept)
        await self._wait_until_known(_credentials(NEW, kept))
        return {NEW: fingerprint(kept[f"{NEW}-id"])}

    async def publish(self, facts: Facts) -> None:
        """Put it into the settings' files."""
        new = await self._credentials(NEW)
        # The secret first: who reads between the two has a pair that opens nothing, rather than an old secret's.
        await self._publisher.put(self._storage.secret_access_key_file, new.secret_access_key)
        await self._publisher.put(self._storage.access_key_id_file, new.access_key_id)

    async def verify(self, facts: Facts) -> None:
        """List the bucket with it."""
        await self._wait_until_known(await self._credentials(NEW))

    async def revoke(self, facts: Facts) -> None:
        """Delete the old access key, and with it every link that it signed."""
        new, old = await self._credentials(NEW), await self._credentials(OLD)
        if old.access_key_id in await to_thread.run_sync(self._keys.ids, new):
            await to_thread.run_sync(self._keys.delete, old.access_key_id, new)

    async def prove(self, facts: Facts) -> None:
        """List the bucket with the old one, which must fail."""
        old = await self._credentials(OLD)
        for _ in range(_ATTEMPTS):
            if not await to_thread.run_sync(self._keys.opens, old):
                return
            await anyio.sleep(_PAUSE_SECONDS)
        raise SecretStillGood("S3 still takes the old access key.", hint="Run again; IAM may be slow to tell S3.")

    async def _credentials(self, which: str) -> StorageCredentials:
        kept = await self._book.pending(self.secret)
        if f"{which}-id" not in kept:
            raise InvalidConfiguration("What was kept of the rotation of S3's credentials is gone from Vault.")
        return _credentials(which, kept)

    async def _sweep(self, by: StorageCredentials, known: list[str]) -> None:
        """Delete what a run has made that was killed before it could keep it."""
        for access_key_id in await to_thread.run_sync(self._keys.ids, by):
            if access_key_id not in known:
                await to_thread.run_sync(self._keys.delete, access_key_id, by)

    async def _wait_until_known(self, credentials: StorageCredentials) -> None:
        for _ in range(_ATTEMPTS):
            if await to_thread.run_sync(self._keys.opens, credentials):
                return
            await anyio.sleep(_PAUSE_SECONDS)
        raise StorageUnavailable("S3 does not take the new access key.", hint="See what the gateway's user may do.")


def _kept(which: str, credentials: StorageCredentials) -> dict[str, str]:
    return {f"{which}-id": credentials.access_key_id, f"{which}-secret": credentials.secret_access_key}


def _credentials(which: str, kept: dict[str, str]) -> StorageCredentials:
    return StorageCredentials(kept[f"{which}-id"], kept[f"{which}-secret"])
