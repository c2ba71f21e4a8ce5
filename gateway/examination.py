"""Examines a gateway's configuration and the parts that it names, one by one, each with what to do if it fails."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
import httpx

from gateway.app import bucket_of, credentials_of
from gateway.client.examination import Finding
from gateway.clock import Clock, utc_now
from gateway.errors import GatewayError, IntegrityError, LocalFileError, VaultUnavailable
from gateway.identity.discovery import KeyDiscovery
from gateway.keys.vault import TransitVault
from gateway.policy import load_policies
from gateway.settings import RedisSettings, Settings, load
from gateway.state import redis
from gateway.state.catalog import SqlCatalog
from gateway.state.engine import Database
from gateway.storage.s3 import S3ObjectStore

_PATIENCE_SECONDS = 10.0


async def examine(config: Path, clock: Clock = utc_now) -> AsyncIterator[Finding]:
    """Yield a finding for the settings, then for each part; without settings there is nothing more to examine."""
    try:
        settings = load(config)
    except GatewayError as error:
        yield Finding("settings", error.message, error.hint)
        return
    yield Finding("settings")
    async with AsyncExitStack() as opened:
        for name, check in _checks(settings, opened, clock).items():
            yield await _ask(name, check)


async def _ask(name: str, check: Callable[[], Awaitable[object]]) -> Finding:
    try:
        with anyio.fail_after(_PATIENCE_SECONDS):
            await check()
    except GatewayError as error:
        return Finding(name, error.message, error.hint)
    except TimeoutError:
        return Finding(name, f"There was no answer in {_PATIENCE_SECONDS:g} s.", "See if it runs, and can be reached.")
    return Finding(name)


def _checks(settings: Settings, opened: AsyncExitStack, clock: Clock) -> dict[str, Callable[[], Awaitable[object]]]:
    async def policies() -> None:
        load_policies(settings.policy.directory)

    async def journal() -> None:
        _check_writable(settings.audit.directory)

    async def state() -> None:
        database = Database.of(settings.state)
        opened.push_async_callback(database.close)
        await SqlCatalog(database).check()

    async def vault() -> None:
        transit = TransitVault(settings.vault, clock)
        opened.callback(transit.close)
        await transit.check()

    async def checkpoints() -> None:
        transit = TransitVault(settings.vault, clock)
        opened.callback(transit.close)
        try:
            await transit.checkpoint_keys()
        except IntegrityError as error:
            hint = "Run infra/vault/setup again: it makes the key that signs the journal."
            raise VaultUnavailable("Vault has no key for checkpoints of the journal.", hint=hint) from error

    async def storage() -> None:
        store = S3ObjectStore(
            bucket_of(settings.storage), credentials_of(settings.storage), timeout=settings.storage.timeout
        )
        await store.check()

    def issuer(url: str) -> Callable[[], Awaitable[object]]:
        async def keys() -> None:
            async with httpx.AsyncClient(trust_env=False) as client:
                await KeyDiscovery(url, client, development=settings.development).fetch()

        return keys

    return {
        "policies": policies,
        "journal": journal,
        "state": state,
        **({"redis": partial(_check_redis, settings.redis)} if settings.redis else {}),
        "vault": vault,
        "checkpoints": checkpoints,
        "storage": storage,
        **{f"issuer {one.alias}": issuer(one.issuer) for one in settings.issuers},
    }


async def _check_redis(settings: RedisSettings) -> None:
    client = redis.connect(settings.url, password_file=settings.password_file)
    try:
        await redis.check(client)
    finally:
        await client.aclose()


def _check_writable(directory: Path) -> None:
    # By writing: permission bits do not tell of a full or read-only file system. Where it is not made yet, in the
    # folder where the gateway will make it: made by us, it might be another user's.
    probe = next(folder for folder in (directory, *directory.absolute().parents) if folder.is_dir()) / ".doctor"
    try:
        try:
            probe.write_bytes(b"\0" * 4096)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        hint = "Make it writable for the gateway, and free some space."
        raise LocalFileError(
            f"The journal's folder {directory} cannot be written: {error.strerror}.", hint=hint
        ) from error
