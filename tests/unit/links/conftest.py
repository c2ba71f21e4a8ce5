"""Fixtures of the link tests: a clock that stands still until it is told otherwise."""

from datetime import UTC, datetime, timedelta

import pytest


class FrozenClock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, by: timedelta):
        self.now += by


@pytest.fixture
def clock():
    return FrozenClock(datetime(2026, 1, 31, 23, 59, 58, 250_000, tzinfo=UTC))
