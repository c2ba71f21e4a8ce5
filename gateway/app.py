"""Puts the gateway together: settings become adapters, adapters become use cases, use cases become the API.

Nothing here waits for Vault, S3 or an issuer: they may start after us, and until then requests are answered 503.
"""

import asyncio
import logging
import math
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from anyio import to_thread
from fastapi import FastAPI

from gateway.api import create_api
from gateway.api.admission import Gate
from gateway.api.metrics import Metrics
from gateway.api.rates import Rates
from gateway.api.recorded import Counted
from gateway.api.schemas.login import LoginIssuer, LoginOut
from gateway.api.watched import watch_gate, watch_parts
from gateway.audit.detection.detector import detection_of
from gateway.audit.journal import Journal
from gateway.audit.notary import Notary
from gateway.audit.searching import Searching
from gateway.audit.sinks.fleet import Outside, Sinks, deliveries_of
from gateway.audit.tile_archive import TileArchive
from gateway.audit.witness import witnesses_of
from gateway.broker import Broker
from gateway.broker.access import Guard
from gateway.broker.advise import Advise
from gateway.broker.batch import Batch
from gateway.broker.browse import Browse
from gateway.broker.garbage import Garbage
from gateway.broker.health import Health
from gateway.broker.history import History
from gateway.broker.holdings import Holdings, Source
from gateway.broker.inspection import Inspection
from gateway.broker.key_status import DescribeKeys
from gateway.broker.leases import Leases
from gateway.broker.link_keys import LinkKeys
from gateway.broker.links import Issuing, Lifetimes, Links
from gateway.broker.pages import PagesOf, SealedPacks
from gateway.broker.policy_watch import PolicyWatch
from gateway.broker.publish import Publish
from gateway.broker.reencrypt import Reencrypt
from gateway.broker.reencryptor import Moving, Reencryptor
from gateway.broker.review import Review
from gateway.broker.revoke import Revoke
from gateway.broker.rotate import Rotate
from gateway.broker.shred import Shredding
from gateway.broker.shredder import Shredder
from gateway.broker.sign_in import SignIn
from gateway.broker.signer_watch import SignerWatch
from gateway.broker.streams import Streams
from gateway.catalog.cache import PageCache, Pages
from gateway.client import executors
from gateway.client.rewriter import read_back, rewrite
from gateway.clock import Clock, utc_now
from gateway.identity import Authentication, GatewayTokens, Issuers, Nonces, Proofs, TokenExchange
from gateway.keys.datakeys import DataKeys, link_secret
from gateway.keys.lifecycle import Lifecycle
from gateway.keys.vault import TransitVault
from gateway.links.presign import Presigner
from gateway.model import Holding, Secret, fingerprint
from gateway.policy import WatchedPolicies
from gateway.ports import Bucket, CredentialSource, ObjectStore, StorageCredentials
from gateway.settings import ArchiveSinkSettings, LinkSettings, Settings, StorageSettings, TokenKind, VaultSettings
from gateway.state import redis
from gateway.state.engine import Database
from gateway.state.holdings import SqlHoldings
from gateway.state.keys import SqlWrappedKeys
from gateway.state.leases import SqlLeases
from gateway.state.postgresql import read_password
from gateway.state.recent import RecentCatalog
from gateway.state.reencryptions import RecentMoves
from gateway.state.schema import migrate
from gateway.state.shared import sharing
from gateway.state.shreds import SqlShreds
from gateway.state.tallies import Tallies
from gateway.storage.credentials import WatchedCredentials, read_credentials
from gateway.storage.s3 import S3ObjectStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

_ISSUER_TIMEOUT_SECONDS = 5.0
_ON_A_CLUSTER = 64
"""Objects that are encrypted anew at a time on a cluster, whose workers may come and go."""


@asynccontextmanager
async def assemble(settings: Settings, metrics: Metrics, clock: Clock = utc_now) -> AsyncIterator[Broker]:
    """Yield the use cases on the real adapters, measured in `metrics`, and close what was opened.

    Raises:
        InvalidConfiguration: a secret's file cannot be read, or a setting does not fit its part.
        InvalidPolicy: the policy folder does not load.
        JournalUnavailable, JournalBroken: the journal cannot be opened.
        StateUnavailable: the database cannot be opened or brought up to date.
    """
    async with AsyncExitStack() as opened:
        policies = WatchedPolicies(settings.policy.directory)
        journal = await opened.enter_async_context(
            Journal(settings.audit.directory, instance=settings.audit.instance, clock=clock)
        )
        database = Database.of(settings.state)
        opened.push_async_callback(database.close)
        await migrate(database)
        vault = TransitVault(settings.vault, clock)
        opened.callback(vault.close)
        http = await opened.enter_async_context(httpx.AsyncClient(timeout=_ISSUER_TIMEOUT_SECONDS, trust_env=False))
        bucket, credentials = bucket_of(settings.storage), WatchedCredentials(settings.storage, clock)
        objects = S3ObjectStore(bucket, credentials, timeout=settings.storage.timeout)
        notary = _notary(settings, journal, vault, credentials, clock)
        opened.push_async_callback(notary.close)
        signer = Presigner(bucket, credentials, clock=clock)
        catalog = RecentCatalog(database)
        wrapped, settle = SqlWrappedKeys(database), settings.rotation.settle
        keys = DataKeys(vault, wrapped, clock, lifetime=settings.keys.lifetime, capacity=settings.keys.capacity)
        opened.callback(keys.close)
        opened.callback(asyncio.create_task(keys.run()).cancel)
        tokens = GatewayTokens(
            vault, settings.server.public_url, clock, lifetime=settings.tokens.lifetime, settle=settle
        )
        nonces = Nonces(lambda: link_secret(keys), clock) if settings.tokens.dpop_nonces else None
        shared = await opened.enter_async_context(sharing(database, clock, _redis(settings, opened)))
        proofs = Proofs(shared.proofs, nonces, clock)
        issuers = Issuers(settings.issuers, http, clock, development=settings.development)
        pages_of = _pages_of(objects, keys)
        stream_links = LinkKeys(keys, wrapped, clock, base_url=settings.server.public_url, settle=settle)
        guard = Guard(policies, Counted(journal, metrics), clock)
        watch = PolicyWatch(policies, journal, clock)
        for beside in (watch, SignerWatch(credentials, journal, clock), notary):
            opened.callback(asyncio.create_task(beside.run()).cancel)
        holdings = Holdings(
            settings.audit.instance,
            SqlHoldings(database, clock),
            {
                Secret.TOKEN_KEY: tokens.holding,
                Secret.LINK_KEY: stream_links.holding,
                Secret.S3_CREDENTIALS: partial(_held_credentials, credentials),
                Secret.GATEWAY_SECRET_ID: partial(_held_login, vault),
                **_held_passwords(settings),
            },
        )
        opened.push_async_callback(holdings.close)
        opened.callback(asyncio.create_task(holdings.run()).cancel)
        outside = Outside(journal, objects, clock, settings.audit.directory / ".sinks" / settings.audit.instance)
        sinks = await opened.enter_async_context(
            Sinks(deliveries_of(settings.sinks, outside) + detection_of(settings.detection, outside, journal))
        )
        lifecycle, moves, shreds = Lifecycle(vault, wrapped, clock), RecentMoves(database), SqlShreds(database)
        moving = opened.enter_context(_moving(settings))
        reencryptor = Reencryptor(
            moves,
            catalog,
            objects,
            signer,
            keys,
            pages_of,
            lambda resource_id: SealedPacks(objects, keys, resource_id),
            journal,
            clock,
            moving=moving,
        )
        opened.callback(asyncio.create_task(reencryptor.run()).cancel)
        shredder_login = _shredder_login(settings)
        if shredder_login:
            destroyer = TransitVault(shredder_login, clock)
            opened.callback(destroyer.close)
            shredder = Shredder(shreds, lifecycle, keys, wrapped, vault, destroyer, shared.revocations, journal, clock)
            opened.callback(asyncio.create_task(shredder.run()).cancel)
        leases = Leases(
            guard, catalog, SqlLeases(database, clock), shared.revocations, clock, longest=settings.leases.max_ttl
        )
        issuing = Issuing(
            guard,
            catalog,
            signer,
            stream_links,
            keys,
            pages_of,
            clock,
            lifetimes=_lifetimes(settings.links),
            leases=leases,
            revocations=shared.revocations,
            moves=moves,
        )
        health = Health(
            {
                "journal": journal.check,
                "checkpoints": notary.check,
                "state": catalog.check,
                "vault": vault.check,
                "storage": objects.check,
                "policy": watch.check,
            }
        )
        opened.callback(watch_parts(metrics, database, shared.announcements, keys, health, sinks).cancel)
        yield Broker(
            sign_in=SignIn(
                Authentication(issuers, tokens, proofs, shared.revocations, clock),
                TokenExchange(issuers, tokens, proofs, shared.revocations),
                tokens,
                Counted(journal, metrics),
                clock,
            ),
            browse=Browse(guard, catalog, pages_of),
            history=History(guard, catalog, pages_of, clock),
            inspection=Inspection(guard, catalog, objects, pages_of, moves),
            garbage=Garbage(guard, catalog, objects, pages_of, clock),
            links=Links(issuing),
            batch=Batch(issuing),
            leases=leases,
            revoke=Revoke(guard, shared.revocations, clock),
            streams=Streams(
                stream_links,
                catalog,
                keys,
                objects,
                journal,
                clock,
                revocations=shared.revocations,
                uses=shared.uses,
                proofs=proofs,
            ),
            publish=Publish(guard, catalog, objects, signer, keys, pages_of, clock, link_ttl=settings.links.max_ttl),
            rotate=Rotate(guard, catalog, lifecycle, clock),
            key_status=DescribeKeys(
                guard, catalog, lifecycle, pages_of, moves, shreds, clock, rotate_every=settings.keys.rotate_every
            ),
            reencrypt=Reencrypt(guard, catalog, moves, lifecycle, clock),
            shredding=Shredding(
                guard,
                catalog,
                shreds,
                clock,
                delay=settings.keys.shred_delay,
                able=shredder_login is not None or settings.keys.shredder_elsewhere,
            ),
            review=Review(guard, journal, _searching(settings, objects), sinks),
            advise=Advise(guard, catalog, policies, clock),
            health=health,
        )


@asynccontextmanager
async def admitting(settings: Settings, metrics: Metrics, clock: Clock = utc_now) -> AsyncIterator[Gate]:
    """Yield the gate, which counts together with other instances where there is a Redis."""
    limits = settings.limits
    async with AsyncExitStack() as opened:
        # Who is not near a limit needs no counting together.
        least = min(limits.principal_requests or math.inf, limits.network_requests or math.inf)
        worth_telling = int(min(max(1, least // 20), 1_000_000))
        tallies = Tallies(clock, window=limits.window, client=_redis(settings, opened), worth_telling=worth_telling)
        opened.callback(asyncio.create_task(tallies.run()).cancel)
        rates = Rates(tallies, principal=limits.principal_requests, network=limits.network_requests)
        gate = Gate(rates, requests=limits.requests, streams=limits.streams)
        watch_gate(metrics, gate)
        yield gate


def create_app(settings: Settings, broker: Broker, gate: Gate, metrics: Metrics) -> FastAPI:
    """Return the ASGI application."""
    return create_api(
        broker,
        public_url=settings.server.public_url,
        access_token_issuers=list(
            dict.fromkeys(one.issuer for one in settings.issuers if TokenKind.ACCESS_TOKEN in one.tokens)
        ),
        how_to_log_in=LoginOut(
            token_endpoint=f"{settings.server.public_url}/oauth2/token",
            issuers=[
                LoginIssuer(alias=one.alias, issuer=one.issuer, client_id=one.client_id, scopes=one.scopes)
                for one in settings.issuers
                if one.client_id
            ],
        ),
        max_body_bytes=settings.server.max_body_bytes,
        max_commit_bytes=settings.server.max_commit_bytes,
        cors_origins=settings.links.cors_origins,
        gate=gate,
        metrics=metrics,
    )


@contextmanager
def _moving(settings: Settings) -> Iterator[Moving]:
    """Yield what encrypts objects anew: threads here, since the cipher and the hash both let go of Python's lock.

    A cluster is reached when it is first needed: it may start after us.
    """
    keys, life = settings.keys, settings.links.max_ttl + settings.keys.old_copies_for
    scheduler = keys.reencryption_scheduler
    if scheduler is None:
        width = keys.reencryption_threads or os.cpu_count() or 1
        executor = ThreadPoolExecutor(width, thread_name_prefix="reencryption")
        try:
            yield Moving(lambda: executor, width, rewrite, read_back, life)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
        return
    with ExitStack() as opened:
        reach = cache(lambda: opened.enter_context(executors.executor(scheduler)))
        yield Moving(reach, keys.reencryption_threads or _ON_A_CLUSTER, rewrite, read_back, life)


def _shredder_login(settings: Settings) -> VaultSettings | None:
    """Return the settings of the login that may destroy keys, if this machine has it."""
    keys, vault = settings.keys, settings.vault
    if keys.shredder_role_id_file is None:
        return None
    return VaultSettings(
        address=vault.address,
        role_id_file=keys.shredder_role_id_file,
        secret_id_file=keys.shredder_secret_id_file,
        auth_mount=vault.auth_mount if vault.auth == "approle" else None,
        transit_mount=vault.transit_mount,
        namespace=vault.namespace,
        ca_file=vault.ca_file,
        timeout=vault.timeout,
        patience=vault.patience,
    )


def _redis(settings: Settings, opened: AsyncExitStack) -> "Redis | None":
    if settings.redis is None:
        return None
    client = redis.connect(settings.redis.url, password_file=settings.redis.password_file)
    opened.push_async_callback(client.aclose)
    return client


def _lifetimes(links: LinkSettings) -> Lifetimes:
    return Lifetimes(links.default_ttl, links.min_ttl, links.max_ttl)


def _searching(settings: Settings, objects: ObjectStore) -> Searching:
    audit = settings.audit
    is_archived = any(isinstance(sink, ArchiveSinkSettings) for sink in settings.sinks)
    return Searching(
        audit.directory / audit.instance,
        instance=audit.instance,
        objects=objects if is_archived else None,
        copies=audit.directory / ".copies",
        copies_bytes=audit.copies_bytes,
    )


def origin_of(settings: Settings) -> str:
    """Return the name under which this gateway's journal signs its checkpoints."""
    host = settings.server.public_url.rstrip("/").partition("://")[2]
    return settings.audit.origin or f"{host}/audit/{settings.audit.instance}"


def archive_of(settings: Settings, credentials: CredentialSource, clock: Clock) -> TileArchive | None:
    """Return where this gateway's checkpoints are archived, if they are."""
    if not settings.audit.archive:
        return None
    bucket = bucket_of(settings.storage)
    bucket = replace(bucket, name=settings.audit.archive_bucket or bucket.name)
    objects = S3ObjectStore(bucket, credentials, timeout=settings.storage.timeout)
    return TileArchive(objects, origin=origin_of(settings), keep=settings.audit.archive_retention, clock=clock)


def bucket_of(storage: StorageSettings) -> Bucket:
    """Return where the objects are."""
    return Bucket(endpoint=storage.endpoint, name=storage.bucket, region=storage.region)


def credentials_of(storage: StorageSettings) -> StorageCredentials:
    """Return who we are to S3.

    Raises:
        InvalidConfiguration: a secret's file cannot be read.
    """
    return read_credentials(storage)


def _held_passwords(settings: Settings) -> dict[Secret, Source]:
    files = {
        Secret.DATABASE_PASSWORD: settings.state.password_file,
        Secret.REDIS_PASSWORD: settings.redis.password_file if settings.redis else None,
    }

    async def held(secret: Secret, file: Path) -> Holding:
        used = fingerprint(await to_thread.run_sync(read_password, file))
        return Holding(secret, uses=used, accepts=(used,))

    return {secret: partial(held, secret, file) for secret, file in files.items() if file}


async def _held_login(vault: TransitVault) -> Holding:
    used = await vault.login()
    return Holding(Secret.GATEWAY_SECRET_ID, uses=used, accepts=(used,))


async def _held_credentials(credentials: CredentialSource) -> Holding:
    used = fingerprint(credentials().access_key_id)
    return Holding(Secret.S3_CREDENTIALS, uses=used, accepts=(used,))


def _notary(
    settings: Settings, journal: Journal, vault: TransitVault, credentials: CredentialSource, clock: Clock
) -> Notary:
    return Notary(
        journal,
        vault,
        archive_of(settings, credentials, clock),
        clock,
        origin=origin_of(settings),
        interval=settings.audit.checkpoint_interval,
        events=settings.audit.checkpoint_events,
        witnesses=witnesses_of(settings.audit.witnesses),
    )


def _pages_of(objects: ObjectStore, keys: DataKeys) -> PagesOf:
    cache = PageCache()

    def pages_of(resource_id: str) -> Pages:
        return Pages(SealedPacks(objects, keys, resource_id), cache)

    return pages_of
