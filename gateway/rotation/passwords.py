"""The passwords by which the gateway is known to PostgreSQL and to Redis."""

import secrets
from pathlib import Path

from gateway.errors import IntegrityError, SecretStillGood
from gateway.model import Secret, fingerprint
from gateway.rotation.book import Book
from gateway.rotation.publish import Publisher, read_secret
from gateway.rotation.steps import NEW, OLD, Facts, Kind, Present
from gateway.state import passwords

_RANDOM_BYTES = 32


class DatabasePassword(Kind):
    """PostgreSQL's. It knows one at a time: instances hold the new one, and try both until it is the one.

    Args:
        url: Names the database and the user.
        file: Holds the password.
        book: Keeps the old one, to try it in the end, and the new one until it is published.
        publisher: Puts it where it is looked for.
    """

    secret = Secret.DATABASE_PASSWORD

    def __init__(self, url: str, file: Path, book: Book, publisher: Publisher) -> None:
        self._url = url
        self._file = file
        self._book = book
        self._publisher = publisher

    async def look(self) -> Present | None:
        """Return the one in the file. Nobody remembers when it was made."""
        return Present(fingerprint(read_secret(self._file)))

    async def make(self, facts: Facts) -> Facts:
        """Make up another one."""
        kept = await self._book.pending(self.secret)
        if not kept:
            kept = {OLD: read_secret(self._file), NEW: secrets.token_urlsafe(_RANDOM_BYTES)}
            await self._book.keep(self.secret, kept)
        return {NEW: fingerprint(kept[NEW])}

    async def publish(self, facts: Facts) -> None:
        """Put it into the file."""
        await self._publisher.put(self._file, (await self._book.pending(self.secret))[NEW])

    async def activate(self, facts: Facts) -> None:
        """Have the server take the new one, and by that the old one no more."""
        kept = await self._book.pending(self.secret)
        if not await self._opens(kept[NEW]):
            await passwords.change_postgresql(self._url, kept[OLD], kept[NEW])

    async def verify(self, facts: Facts) -> None:
        """Connect with it."""
        if not await self._opens((await self._book.pending(self.secret))[NEW]):
            raise IntegrityError(f"The new {self.secret} is refused.")

    async def revoke(self, facts: Facts) -> None:
        """Nothing is left to take back."""

    async def prove(self, facts: Facts) -> None:
        """Connect with the old one, which must fail."""
        if await self._opens((await self._book.pending(self.secret))[OLD]):
            raise SecretStillGood(
                f"The old {self.secret} is still good.", hint="See if the server asks for one at all (pg_hba.conf)."
            )

    async def _opens(self, password: str) -> bool:
        return await passwords.opens_postgresql(self._url, password)


class RedisPassword(DatabasePassword):
    """Redis's, which takes several of one user."""

    secret = Secret.REDIS_PASSWORD

    async def make(self, facts: Facts) -> Facts:
        """Make up another one, which Redis takes at once beside the old one."""
        made = await super().make(facts)
        kept = await self._book.pending(self.secret)
        if not await self._opens(kept[NEW]):
            await passwords.change_redis(self._url, kept[OLD], add=kept[NEW])
        return made

    async def activate(self, facts: Facts) -> None:
        """It is taken already."""

    async def revoke(self, facts: Facts) -> None:
        """Have Redis forget the old one."""
        kept = await self._book.pending(self.secret)
        if await self._opens(kept[OLD]):
            await passwords.change_redis(self._url, kept[NEW], remove=kept[OLD])

    async def _opens(self, password: str) -> bool:
        return await passwords.opens_redis(self._url, password)
