"""In-memory keys: the ports of Vault and of the wrapped keys' table, for tests."""

import dataclasses
import os
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import IntegrityError
from gateway.ports import Kek, NewDataKey


class MemoryVault:
    """A `KeyVault` that wraps with AES-GCM and counts what it is asked."""

    def __init__(self):
        self.keks = {}
        self.oldest = {}
        self.calls = []
        self.failure = None

    def _called(self, what):
        self.calls.append(what)
        if self.failure:
            raise self.failure

    async def create_kek(self, kek):
        self._called("create_kek")
        self.keks.setdefault(kek, [os.urandom(32)])

    async def new_data_key(self, kek):
        self._called("new_data_key")
        plaintext = os.urandom(32)
        return NewDataKey(plaintext, self._wrap(kek, plaintext))

    async def unwrap(self, kek, wrapped):
        self._called("unwrap")
        return self._unwrap(kek, wrapped)

    async def rewrap(self, kek, wrapped):
        self._called("rewrap")
        return self._wrap(kek, self._unwrap(kek, wrapped))

    async def rotate_kek(self, kek):
        self._called("rotate_kek")
        self.keks[kek].append(os.urandom(32))
        return len(self.keks[kek])

    async def describe_kek(self, kek):
        self._called("describe_kek")
        if kek not in self.keks:
            return None
        versions, oldest = self.keks[kek], self.oldest.get(kek, 1)
        made_at = datetime(2026, 1, 1, tzinfo=UTC)
        return Kek(len(versions), oldest, dict.fromkeys(range(oldest, len(versions) + 1), made_at))

    async def retire_kek(self, kek, *, before):
        self._called("retire_kek")
        if not 1 <= before <= len(self.keks[kek]):
            raise IntegrityError("no such version")
        self.oldest[kek] = before

    async def destroy_kek(self, kek):
        self._called("destroy_kek")
        self.keks.pop(kek, None)

    async def check(self):
        self._called("check")

    def _wrap(self, kek, plaintext):
        nonce = os.urandom(12)
        sealed = AESGCM(self.keks[kek][-1]).encrypt(nonce, plaintext, None)
        return f"vault:v{len(self.keks[kek])}:{(nonce + sealed).hex()}"

    def _unwrap(self, kek, wrapped):
        try:
            _, version, text = wrapped.split(":")
            if int(version[1:]) < self.oldest.get(kek, 1):
                raise IntegrityError("too old")
            sealed = bytes.fromhex(text)
            return AESGCM(self.keks[kek][int(version[1:]) - 1]).decrypt(sealed[:12], sealed[12:], None)
        except (KeyError, IndexError, ValueError, InvalidTag) as error:
            raise IntegrityError("does not open") from error


class MemoryKeyStore:
    """A `WrappedKeyStore` in a dict."""

    def __init__(self):
        self.rows = {}

    async def newest(self, resource_id):
        rows = await self.all(resource_id)
        return rows[-1] if rows else None

    async def find(self, resource_id, epoch):
        return self.rows.get((resource_id, epoch))

    async def all(self, resource_id):
        return [row for slot, row in sorted(self.rows.items()) if slot[0] == resource_id]

    async def add(self, key):
        return self.rows.setdefault((key.resource_id, key.epoch), key)

    async def replace(self, key, *, rewrapped):
        slot = (key.resource_id, key.epoch)
        if slot not in self.rows or self.rows[slot].wrapped != key.wrapped:
            return False
        self.rows[slot] = dataclasses.replace(key, wrapped=rewrapped)
        return True

    async def destroy(self, resource_id):
        rows = await self.all(resource_id)
        self.rows |= {(row.resource_id, row.epoch): dataclasses.replace(row, wrapped="") for row in rows}
        return len(rows)


class FrozenClock:
    """A clock that moves when it is told."""

    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def vault():
    return MemoryVault()


@pytest.fixture
def store():
    return MemoryKeyStore()


@pytest.fixture
def clock():
    return FrozenClock()
