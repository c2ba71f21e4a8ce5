"""What runs remember, in Vault's KV engine: progress, who is at work, and secrets that are made and not yet published.

Every write names the revision that it follows (check-and-set), so of two runs that cross, one fails.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio

from gateway.clock import Clock
from gateway.errors import GatewayError, RotationHeld, VaultRefused
from gateway.model import Secret
from gateway.rotation.steps import Progress, Step
from gateway.rotation.vault import RotationVault

_LOCK = "lock"


class Book:
    """The record of all rotations of one gateway.

    Args:
        vault: Vault.
        mount: The KV engine.
        clock: The time.
        lease: How long a run that says nothing more keeps others off.
    """

    def __init__(self, vault: RotationVault, mount: str, clock: Clock, *, lease: timedelta) -> None:
        self._vault = vault
        self._mount = mount
        self._clock = clock
        self._lease = lease
        self._holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"

    async def progress(self, secret: Secret) -> Progress:
        """Return how far the rotation of a secret is."""
        data, revision = await self._read(f"progress/{secret}")
        return Progress(
            step=Step(data["step"]) if data.get("step") else None,
            since=_time(data.get("since")),
            facts=data.get("facts") or {},
            finished_at=_time(data.get("finished_at")),
            revision=revision,
        )

    async def note(self, secret: Secret, progress: Progress) -> Progress:
        """Store how far it is, and return it with its new revision.

        Raises:
            RotationHeld: another run has noted something meanwhile.
        """
        said = {
            "step": progress.step,
            "since": progress.since and progress.since.isoformat(),
            "facts": dict(progress.facts),
            "finished_at": progress.finished_at and progress.finished_at.isoformat(),
        }
        revision = await self._write(f"progress/{secret}", said, follows=progress.revision)
        return Progress(progress.step, progress.since, progress.facts, progress.finished_at, revision)

    async def pending(self, secret: Secret) -> dict[str, str]:
        """Return what was kept of a rotation under way and is secret; empty where nothing was."""
        return (await self._read(f"pending/{secret}"))[0]

    async def keep(self, secret: Secret, values: Mapping[str, str]) -> None:
        """Keep secrets of a rotation under way, in place of what was kept."""
        _, revision = await self._read(f"pending/{secret}")
        await self._write(f"pending/{secret}", dict(values), follows=revision)

    async def forget(self, secret: Secret) -> None:
        """Forget the secrets of a rotation, in all their revisions."""
        await self._vault.delete(f"{self._mount}/metadata/pending/{secret}")

    async def publish(self, name: str, value: str) -> None:
        """Put a secret where something else takes it to each machine."""
        _, revision = await self._read(f"published/{name}")
        await self._write(f"published/{name}", {"value": value}, follows=revision)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Be the one run at work; the lease is renewed until the end.

        Raises:
            RotationHeld: another run is at work, or has taken over because we were not heard of for too long.
        """
        revision = await self._take()
        lost: list[GatewayError] = []

        async def renew() -> None:
            nonlocal revision
            while not lost:
                await anyio.sleep(self._lease.total_seconds() / 3)
                try:
                    revision = await self._write(_LOCK, self._claim(), follows=revision)
                except GatewayError as error:
                    lost.append(error)
                    scope.cancel()  # whoever has it now must not meet us half-way

        with anyio.CancelScope() as scope:
            renewing = asyncio.create_task(renew())
            try:
                yield
            finally:
                renewing.cancel()
        if lost:
            raise lost[0]
        await self._write(_LOCK, {}, follows=revision)

    async def _take(self) -> int:
        data, revision = await self._read(_LOCK)
        until = _time(data.get("until"))
        if until and until > self._clock():
            raise RotationHeld(
                f"{data['holder']} replaces secrets at this moment; its lease ends {until:%H:%M:%S} UTC.",
                hint="Run again when it has ended. A run that was killed holds nothing once its lease is over.",
            )
        return await self._write(_LOCK, self._claim(), follows=revision)

    def _claim(self) -> dict[str, str]:
        return {"holder": self._holder, "until": (self._clock() + self._lease).isoformat()}

    async def _read(self, path: str) -> tuple[dict[str, Any], int]:
        found = await self._vault.read(f"{self._mount}/data/{path}")
        if not found:
            return {}, 0
        return found["data"] or {}, found["metadata"]["version"]

    async def _write(self, path: str, data: Mapping[str, object], *, follows: int) -> int:
        wanted = {"data": data, "options": {"cas": follows}}
        try:
            return int((await self._vault.write(f"{self._mount}/data/{path}", wanted))["version"])
        except VaultRefused as error:
            found, revision = await self._read(path)
            if revision == follows + 1 and found == data:
                return revision  # it was ours, and the answer was lost
            raise RotationHeld(
                "Another run has gone on with the rotation meanwhile.", hint="See how far it is with --list."
            ) from error


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
