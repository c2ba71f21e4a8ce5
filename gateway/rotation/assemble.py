"""Puts a rotation together from the gateway's settings: what secrets there are, and how to reach them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import httpx

from gateway.audit.journal import Journal
from gateway.clock import Clock
from gateway.errors import InvalidConfiguration
from gateway.keys.vault import TransitVault
from gateway.model import Secret
from gateway.rotation.book import Book
from gateway.rotation.keks import Keks
from gateway.rotation.link_key import LinkKeyRotation
from gateway.rotation.machine import Rotation, Told
from gateway.rotation.passwords import DatabasePassword, RedisPassword
from gateway.rotation.probes import Probes
from gateway.rotation.publish import Files, Kept, Publisher
from gateway.rotation.s3 import S3Credentials
from gateway.rotation.secret_id import SecretId
from gateway.rotation.steps import Kind
from gateway.rotation.transit import CheckpointKey, TokenKey
from gateway.rotation.vault import RotationVault
from gateway.settings import RotationSettings, Settings, VaultSettings
from gateway.state.engine import Database
from gateway.state.holdings import SqlHoldings
from gateway.state.keys import SqlWrappedKeys

INSTANCE = "rotation"
"""Whose journal the steps are recorded in."""
_PROBE_TIMEOUT_SECONDS = 10.0


@asynccontextmanager
async def assemble(settings: Settings, clock: Clock, *, told: Told = lambda *_: None) -> AsyncIterator[Rotation]:
    """Yield the rotation of all secrets of this gateway, and close what was opened.

    Raises:
        InvalidConfiguration: the settings name no login for it.
        JournalUnavailable: its journal cannot be opened.
    """
    rotation = settings.rotation
    if rotation.vault is None:
        raise InvalidConfiguration(
            "There is no login to Vault that may replace secrets.",
            hint="infra/vault/setup makes one; name it in [rotation.vault].",
        )
    async with AsyncExitStack() as opened:
        vault = RotationVault(rotation.vault, clock, patience=rotation.patience)
        opened.callback(vault.close)
        transit = TransitVault(settings.vault, clock)
        opened.callback(transit.close)
        database = Database.of(settings.state)
        opened.push_async_callback(database.close)
        http = await opened.enter_async_context(httpx.AsyncClient(timeout=_PROBE_TIMEOUT_SECONDS, trust_env=False))
        book = Book(vault, rotation.kv_mount, clock, lease=rotation.lease)
        journal = Journal(settings.audit.directory, instance=INSTANCE, clock=clock)
        yield Rotation(
            _kinds(settings, rotation.vault, vault, transit, SqlWrappedKeys(database), book, http, clock),
            book,
            SqlHoldings(database, clock),
            journal,
            clock,
            take_up=rotation.take_up,
            periods=_periods(rotation),
            told=told,
        )


def _periods(rotation: RotationSettings) -> Callable[[Secret], timedelta]:
    return lambda secret: rotation.periods.get(secret, rotation.every)


def _kinds(  # noqa: PLR0913, PLR0917  # what they are made of
    settings: Settings,
    login: VaultSettings,
    vault: RotationVault,
    transit: TransitVault,
    keys: SqlWrappedKeys,
    book: Book,
    http: httpx.AsyncClient,
    clock: Clock,
) -> list[Kind]:
    rotation, mount, url = settings.rotation, settings.vault.transit_mount, settings.server.public_url
    probes = Probes(rotation.probes or [url], http)
    publisher: Publisher = Files() if rotation.publish == "files" else Kept(book)
    links, tokens = settings.links.max_ttl + rotation.settle, settings.tokens.lifetime + rotation.settle
    kinds: list[Kind] = [
        Keks(transit, keys, book, clock),
        TokenKey(vault, mount, book, probes, public_url=url, overlap=tokens),
        LinkKeyRotation(transit, keys, book, probes, clock, overlap=links),
        CheckpointKey(vault, mount),
        S3Credentials(settings.storage, book, publisher, overlap=links),
    ]
    if settings.state.password_file:
        kinds.append(DatabasePassword(settings.state.url, settings.state.password_file, book, publisher))
    if settings.redis and settings.redis.password_file:
        kinds.append(RedisPassword(settings.redis.url, settings.redis.password_file, book, publisher))
    logins = {
        Secret.GATEWAY_SECRET_ID: (settings.vault, rotation.gateway_role),
        Secret.SHREDDER_SECRET_ID: (_shredder(settings), rotation.shredder_role),
        Secret.ROTATION_SECRET_ID: (login, rotation.own_role),
    }
    return kinds + [
        SecretId(secret, vault, one, role, book, publisher)
        for secret, (one, role) in logins.items()
        if one and one.auth == "approle"  # others log in with what their platform keeps fresh
    ]


def _shredder(settings: Settings) -> VaultSettings | None:
    keys = settings.keys
    if keys.shredder_role_id_file is None:
        return None
    files = {"role_id_file": keys.shredder_role_id_file, "secret_id_file": keys.shredder_secret_id_file}
    mount = settings.vault.auth_mount if settings.vault.auth == "approle" else None
    return settings.vault.model_copy(update={"auth": "approle", "auth_mount": mount} | files)
