"""What instances hold is told to whoever rotates, on every database."""

from datetime import timedelta

import pytest

from gateway.model import Holding, Secret
from gateway.ports import Report
from gateway.state.holdings import SqlHoldings

pytestmark = pytest.mark.anyio

OLD, NEW = Holding(Secret.LINK_KEY, "1", ("1",)), Holding(Secret.LINK_KEY, "2", ("1", "2"))
CREDENTIALS = Holding(Secret.S3_CREDENTIALS, "0f0f0f0f0f0f")


async def test_what_an_instance_says_replaces_what_it_said(database, now):
    holdings = SqlHoldings(database, lambda: now)
    await holdings.report("a", [OLD, CREDENTIALS])
    await holdings.report("b", [OLD])
    await holdings.report("a", [NEW, CREDENTIALS])
    assert await holdings.reports(since=now) == [
        Report("a", NEW, now),
        Report("a", CREDENTIALS, now),
        Report("b", OLD, now),
    ]


async def test_who_was_not_heard_of_since_or_has_withdrawn_is_left_out(database, now):
    clock = [now]
    holdings = SqlHoldings(database, lambda: clock[0])
    for instance in ("gone", "silent", "here"):
        await holdings.report(instance, [OLD])
    clock[0] += timedelta(minutes=1)
    await holdings.report("here", [OLD])
    await holdings.withdraw("gone")
    assert [report.instance for report in await holdings.reports(since=clock[0])] == ["here"]
    assert [report.instance for report in await holdings.reports(since=now)] == ["here", "silent"]
