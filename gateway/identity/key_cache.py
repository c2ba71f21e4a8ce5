"""Keeps a signer's public keys: fetched once for all who wait, again for a new key, kept through an outage."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio
from joserfc.jwk import Key

from gateway.clock import Clock
from gateway.errors import Unavailable, UnknownSigningKey
from gateway.identity.keyset import select_key

Fetch = Callable[[], Awaitable[tuple[Key, ...]]]
"""Returns the signer's present keys, or raises the `Unavailable` of its part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How long keys are good, and how often we may ask."""

    max_age: timedelta = timedelta(minutes=15)
    """After this the keys are fetched anew, so that one that was withdrawn stops verifying."""
    refetch: timedelta = timedelta(minutes=1)
    """At most one fetch in this time for key ids that we do not know: anyone can invent those."""
    retry: timedelta = timedelta(seconds=5)
    """At most one fetch in this time while the signer does not answer."""
    outage: timedelta = timedelta(hours=24)
    """How long the last good keys serve while it does not."""


class KeyCache:
    """The keys of one signer."""

    def __init__(self, name: str, fetch: Fetch, *, clock: Clock, freshness: Freshness | None = None) -> None:
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._freshness = freshness or Freshness()
        self._lock = anyio.Lock()
        self._keys: tuple[Key, ...] = ()
        self._fetched_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._failure: Unavailable | None = None

    async def find(self, key_id: str | None, algorithm: str) -> Key:
        """Return the key for a token.

        Raises:
            UnknownSigningKey: the signer has none, by keys that are at most `refetch` old.
            Unavailable: the key is not among those at hand, or they are past `outage`, and no new ones can be had.
        """
        key = select_key(self._keys, key_id=key_id, algorithm=algorithm)
        # While one caller fetches, the others go on with the keys at hand.
        if self._is_due(known=key is not None) and not (self._usable and key and self._lock.locked()):
            await self._refresh(known=key is not None)
            key = select_key(self._keys, key_id=key_id, algorithm=algorithm)
        if key is None or not self._usable:
            self._raise_failure()  # away: we cannot tell an unknown key from a new one
        if key is None:
            shown = "without a key id" if key_id is None else f"{key_id[:80]!r}"
            raise UnknownSigningKey(f"{self._name} has no {algorithm} key {shown}.")
        return key

    async def all(self) -> tuple[Key, ...]:
        """Return every key, at most `max_age` old where the signer answers.

        Raises:
            Unavailable: as `find`.
        """
        if self._is_due(known=True):
            await self._refresh(known=True)
        if not self._usable:
            self._raise_failure()
        return self._keys

    async def renew(self) -> None:
        """Fetch the keys now, whatever their age.

        Raises:
            Unavailable: the signer does not answer; the keys at hand stay.
        """
        async with self._lock:
            self._keys = await self._fetch()
            self._fetched_at, self._failed_at, self._failure = self._clock(), None, None

    def _is_due(self, *, known: bool) -> bool:
        now = self._clock()
        if self._failed_at is not None and now < self._failed_at + self._freshness.retry:
            return False
        if self._fetched_at is None:
            return True
        return now >= self._fetched_at + (self._freshness.max_age if known else self._freshness.refetch)

    async def _refresh(self, *, known: bool) -> None:
        async with self._lock:
            if not self._is_due(known=known):
                return  # another caller fetched while we waited
            try:
                self._keys = await self._fetch()
            except Unavailable as error:
                self._failed_at, self._failure = self._clock(), error
                return
            self._fetched_at, self._failed_at, self._failure = self._clock(), None, None

    @property
    def _usable(self) -> bool:
        return self._fetched_at is not None and self._clock() < self._fetched_at + self._freshness.outage

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(self._failure.message, hint=self._failure.hint) from self._failure
