"""Keys that sign in Vault's transit engine and never leave it: of gateway tokens, and of the journal's checkpoints."""

import base64
from datetime import datetime, timedelta
from typing import Any

from gateway.errors import IntegrityError, SecretStillGood
from gateway.keys.vault import CHECKPOINTS_KEY, TOKENS_KEY
from gateway.model import Secret
from gateway.rotation.book import Book
from gateway.rotation.probes import Probes, expired_token
from gateway.rotation.steps import NEW, OLD, Facts, Kind, Present
from gateway.rotation.vault import RotationVault

_TRIAL = base64.b64encode(b"gateway rotation trial").decode()


class CheckpointKey(Kind):
    """Signs the journal's checkpoints. Old versions sign nothing more, and verify for as long as there are journals.

    Args:
        vault: Vault.
        mount: The transit engine.
    """

    secret = Secret.CHECKPOINT_KEY
    is_held = False
    key = CHECKPOINTS_KEY

    def __init__(self, vault: RotationVault, mount: str) -> None:
        self._vault = vault
        self._mount = mount

    async def look(self) -> Present | None:
        """Return the newest version."""
        key = await self._vault.read(f"{self._mount}/keys/{self.key}")
        if key is None:
            return None
        newest = key["latest_version"]
        return Present(f"{self.key}-{newest}", datetime.fromisoformat(key["keys"][str(newest)]["creation_time"]))

    async def make(self, facts: Facts) -> Facts:
        """Add a version, which signs from now on where nobody says which."""
        present = await self.look()
        if present and present.name == facts[OLD]:
            await self._vault.write(f"{self._mount}/keys/{self.key}/rotate", {})
            present = await self.look()
        return {NEW: present.name if present else ""}

    async def verify(self, facts: Facts) -> None:
        """Sign with the new version, and have Vault verify it."""
        signed = {"input": _TRIAL, "signature": await self._sign(facts[NEW])}
        answer = await self._vault.write(f"{self._mount}/verify/{self.key}", signed)
        if not answer.get("valid"):
            raise IntegrityError(f"{facts[NEW]} does not verify what it has signed.")

    async def revoke(self, facts: Facts) -> None:
        """Let versions before the new one sign nothing more."""
        limit = {"min_encryption_version": _number(facts[NEW])}
        await self._vault.write(f"{self._mount}/keys/{self.key}/config", limit)

    async def prove(self, facts: Facts) -> None:
        """Have the old version sign, which it must not."""
        wanted = {"input": _TRIAL, "key_version": _number(facts[OLD])}
        if not await self._vault.refuses(f"{self._mount}/sign/{self.key}", wanted):
            raise SecretStillGood(f"{facts[OLD]} still signs.")

    async def _sign(self, version: str, **what: Any) -> str:  # noqa: ANN401 -- whatever the API takes
        wanted = {"input": _TRIAL, "key_version": _number(version)} | what
        return str((await self._vault.write(f"{self._mount}/sign/{self.key}", wanted))["signature"])


class TokenKey(CheckpointKey):
    """Signs gateway tokens. Its old versions verify until the last token that they signed has expired.

    Args:
        vault: Vault.
        mount: The transit engine.
        book: Keeps what the old version signed, to try it in the end.
        probes: Instances to ask.
        public_url: The gateway's name in its tokens.
        overlap: How long tokens live.
    """

    secret = Secret.TOKEN_KEY
    is_held = True
    key = TOKENS_KEY

    def __init__(  # noqa: PLR0913  # its parts
        self, vault: RotationVault, mount: str, book: Book, probes: Probes, *, public_url: str, overlap: timedelta
    ) -> None:
        super().__init__(vault, mount)
        self._book = book
        self._probes = probes
        self._public_url = public_url
        self.overlap = overlap

    async def make(self, facts: Facts) -> Facts:
        """Add a version, which verifies at once, and signs when every instance knows it."""
        if not await self._book.pending(self.secret):
            await self._book.keep(self.secret, {OLD: await self._probe(facts[OLD])})
        return await super().make(facts)

    async def verify(self, facts: Facts) -> None:
        """Have Vault verify what the new version signs, and every instance know it."""
        await super().verify(facts)
        await self._probes.expect_token(await self._probe(facts[NEW]), known=True)

    async def revoke(self, facts: Facts) -> None:
        """Let versions before the new one neither sign nor verify."""
        new = _number(facts[NEW])
        limits = {"min_encryption_version": new, "min_decryption_version": new}
        await self._vault.write(f"{self._mount}/keys/{self.key}/config", limits)

    async def prove(self, facts: Facts) -> None:
        """Have the old version sign, and show instances what it has signed; neither may do."""
        await super().prove(facts)
        await self._probes.expect_token((await self._book.pending(self.secret))[OLD], known=False)

    async def _probe(self, version: str) -> str:
        message = expired_token(version, self._public_url)
        encoded = base64.b64encode(message.encode()).decode()
        signature = await self._sign(version, input=encoded, hash_algorithm="sha2-256", marshaling_algorithm="jws")
        return f"{message}.{signature.rpartition(':')[2]}"


def _number(version: str) -> int:
    return int(version.rpartition("-")[2])
