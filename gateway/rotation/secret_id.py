"""Half of an AppRole login to Vault: the gateway's, and that of who replaces all the others."""

import json
from datetime import datetime
from pathlib import Path

from gateway.errors import SecretStillGood
from gateway.model import Secret, fingerprint
from gateway.rotation.book import Book
from gateway.rotation.publish import Publisher, read_secret
from gateway.rotation.steps import NEW, OLD, Facts, Kind, Present
from gateway.rotation.vault import RotationVault
from gateway.settings import VaultSettings

_OURS = {"made_by": "gateway rotate-secrets"}


class SecretId(Kind):
    """A secret id.

    Args:
        secret: Which of the two.
        vault: Vault.
        login: The settings that log in with it.
        role: Its AppRole.
        book: Keeps the old one, to try it in the end, and the new one until it is published.
        publisher: Puts it where it is looked for.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # its parts
        self,
        secret: Secret,
        vault: RotationVault,
        login: VaultSettings,
        role: str,
        book: Book,
        publisher: Publisher,
    ) -> None:
        self.secret = secret
        self.is_held = secret is Secret.GATEWAY_SECRET_ID
        self._vault = vault
        self._login = login
        self._mount = f"auth/{login.auth_mount or login.auth}"
        self._role = f"{self._mount}/role/{role}"
        self._book = book
        self._publisher = publisher

    async def look(self) -> Present | None:
        """Return the one in the login's file."""
        current = read_secret(self._file)
        found = await self._vault.write(f"{self._role}/secret-id/lookup", {"secret_id": current})
        made_at = found.get("creation_time")
        return Present(fingerprint(current), datetime.fromisoformat(made_at) if made_at else None)

    async def make(self, facts: Facts) -> Facts:
        """Have the role make another one."""
        kept = await self._book.pending(self.secret)
        if OLD not in kept:
            kept = {OLD: read_secret(self._file)}
            await self._book.keep(self.secret, kept)
        if NEW not in kept:
            await self._sweep(kept[OLD])
            made = await self._vault.write(f"{self._role}/secret-id", {"metadata": json.dumps(_OURS)})
            kept |= {NEW: made["secret_id"]}
            await self._book.keep(self.secret, kept)
        return {NEW: fingerprint(kept[NEW])}

    async def publish(self, facts: Facts) -> None:
        """Put it into the login's file."""
        await self._publisher.put(self._file, (await self._book.pending(self.secret))[NEW])

    async def has_arrived(self, facts: Facts) -> bool:
        """Tell whether the login's file holds it: some are nobody's but this machine's."""
        return fingerprint(read_secret(self._file)) == facts[NEW]

    async def verify(self, facts: Facts) -> None:
        """Log in with it."""
        await self._vault.write(f"{self._mount}/login", await self._credentials(NEW))

    async def revoke(self, facts: Facts) -> None:
        """Destroy the old one."""
        old = {"secret_id": (await self._book.pending(self.secret))[OLD]}
        if await self._vault.write(f"{self._role}/secret-id/lookup", old):
            await self._vault.write(f"{self._role}/secret-id/destroy", old)

    async def prove(self, facts: Facts) -> None:
        """Log in with the old one, which must fail."""
        if not await self._vault.refuses(f"{self._mount}/login", await self._credentials(OLD)):
            raise SecretStillGood(f"Vault still takes the old {self.secret}.")

    @property
    def _file(self) -> Path:
        file = self._login.secret_id_file
        assert file is not None  # noqa: S101 -- settings of AppRole have one
        return file

    async def _credentials(self, which: str) -> dict[str, str]:
        role_id = self._login.role_id_file
        assert role_id is not None  # noqa: S101 -- the same
        return {"role_id": read_secret(role_id), "secret_id": (await self._book.pending(self.secret))[which]}

    async def _sweep(self, current: str) -> None:
        """Destroy what a run has made that was killed before it could keep it."""
        found = await self._vault.write(f"{self._role}/secret-id/lookup", {"secret_id": current})
        for accessor in await self._vault.list(f"{self._role}/secret-id"):
            named = {"secret_id_accessor": accessor}
            about = await self._vault.write(f"{self._role}/secret-id-accessor/lookup", named)
            if about.get("metadata") == _OURS and accessor != found.get("secret_id_accessor"):
                await self._vault.write(f"{self._role}/secret-id-accessor/destroy", named)
