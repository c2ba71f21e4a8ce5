"""What all instances know together: revocations, uses of links, proofs that were shown. The truth is in the database.

With Redis, instances also tell each other at once, and are spared questions whose answer they were told.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.clock import Clock
from gateway.ports import LinkUses, Revocations, UsedProofs
from gateway.state.announcements import Announcements
from gateway.state.engine import Database
from gateway.state.link_uses import SqlLinkUses
from gateway.state.refusals import Refusals, RememberedLinkUses, RememberedProofs
from gateway.state.revocations import SqlRevocations
from gateway.state.used_proofs import SqlUsedProofs

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Shared:
    """The stores of what instances share."""

    revocations: Revocations
    uses: LinkUses
    proofs: UsedProofs
    announcements: Announcements | None
    """How instances tell each other, if they do."""


@asynccontextmanager
async def sharing(database: Database, clock: Clock, client: "Redis | None") -> AsyncIterator[Shared]:
    """Yield the stores, which tell other instances over Redis where there is a client of it."""
    announcements = None if client is None else Announcements(client)
    refusals = Refusals(clock, announcements)
    shared = Shared(
        SqlRevocations(database, clock, announcements=announcements),
        RememberedLinkUses(SqlLinkUses(database, clock), refusals),
        RememberedProofs(SqlUsedProofs(database, clock), refusals),
        announcements,
    )
    if announcements is None:
        yield shared
        return
    async with announcements.running():
        yield shared
