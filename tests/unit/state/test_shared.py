"""Instances on one database share revocations, uses and proofs, with Redis and without."""

from datetime import timedelta

import pytest

from gateway.errors import Revoked
from gateway.model import Mark, Revocation, RevocationKind
from gateway.state.shared import sharing

pytestmark = pytest.mark.anyio

ADA = Mark(RevocationKind.PRINCIPAL, "people/ada")


@pytest.mark.parametrize("with_redis", [True, False], ids=["redis", "alone"])
async def test_what_one_took_or_revoked_is_so_for_the_other(database, now, with_redis, redis_client, until):
    clients = [redis_client(), redis_client()] if with_redis else [None, None]
    later = now + timedelta(minutes=1)
    async with (
        sharing(database, lambda: now, clients[0]) as one,
        sharing(database, lambda: now, clients[1]) as two,
    ):
        assert await one.uses.take("a" * 32, limit=1, expires_at=later)
        assert not await two.uses.take("a" * 32, limit=1, expires_at=later)
        assert await one.proofs.take("b" * 64, until=later)
        assert not await two.proofs.take("b" * 64, until=later)
        await one.revocations.add(Revocation(ADA.kind, ADA.value, now, later, "grace"))
        with pytest.raises(Revoked):
            await two.revocations.check([ADA], issued_at=now)
        if with_redis:
            await until(lambda: one.announcements.connected and two.announcements.connected)
