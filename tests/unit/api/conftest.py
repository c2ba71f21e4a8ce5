"""A whole gateway in this process: real policies, catalog, envelope and journal; S3 and Vault in memory; no sockets."""

import hashlib
import json
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio.lowlevel
import httpx
import pytest

from gateway import envelope
from gateway.api import create_api
from gateway.api.admission import Gate
from gateway.api.metrics import Metrics
from gateway.api.rates import Rates
from gateway.api.schemas.login import LoginOut
from gateway.audit.journal import Journal
from gateway.broker import Broker
from gateway.broker.access import Guard, Origin
from gateway.broker.batch import Batch
from gateway.broker.browse import Browse
from gateway.broker.garbage import Garbage
from gateway.broker.history import History
from gateway.broker.inspection import Inspection
from gateway.broker.key_status import DescribeKeys
from gateway.broker.layout import object_key_in_bucket
from gateway.broker.leases import Leases
from gateway.broker.links import Issuing, Lifetimes, Links
from gateway.broker.pages import SealedPacks
from gateway.broker.publish import Publish
from gateway.broker.reencrypt import Reencrypt
from gateway.broker.revoke import Revoke
from gateway.broker.rotate import Rotate
from gateway.broker.shred import Shredding
from gateway.broker.streams import Streams
from gateway.catalog.builder import build
from gateway.catalog.cache import PageCache, Pages
from gateway.errors import IntegrityError
from gateway.identity import Identified
from gateway.identity.dpop import Proofs
from gateway.keys.datakeys import DataKeys
from gateway.keys.derive import object_key
from gateway.keys.lifecycle import Lifecycle
from gateway.links.presign import Presigner
from gateway.links.stream import LinkKey, StreamLinks
from gateway.model import FileEntry, Principal, PrincipalKind, Push, Resource, ResourceName, Version
from gateway.policy import PolicySet
from gateway.policy.document import Dialect
from gateway.policy.grammar import read_document
from gateway.ports import Bucket, Kek, NewDataKey, StorageCredentials
from gateway.state.catalog import SqlCatalog
from gateway.state.engine import Database
from gateway.state.keys import SqlWrappedKeys
from gateway.state.leases import SqlLeases
from gateway.state.link_uses import SqlLinkUses
from gateway.state.reencryptions import RecentMoves
from gateway.state.revocations import SqlRevocations
from gateway.state.schema import migrate
from gateway.state.shreds import SqlShreds
from gateway.state.tallies import Tallies
from gateway.state.used_proofs import SqlUsedProofs
from gateway.storage.memory import MemoryObjectStore

URL = "https://gateway.example.org"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
PAGE = "https://labels.example.org"
POLICIES = {
    "research": {"Effect": "Allow", "Principal": {"Group": "ml-research"}, "Action": "gateway:*", "Resource": "*"},
    "held-out": {
        "Effect": "Deny",
        "Principal": {"User": "ivan"},
        "Action": "gateway:ReadFile",
        "Resource": "dataset/*/held-out/*",
    },
    "hidden": {
        "Effect": "Deny",
        "Principal": {"User": "ivan"},
        "Action": "gateway:DescribeResource",
        "Resource": "*/hidden/*",
    },
    "own": {
        "Effect": "Allow",
        "Principal": {"Group": "training-jobs"},
        "Action": ["gateway:ListLeases", "gateway:RevokeLease"],
        "Resource": "lease/*",
        "Condition": {"StringEquals": {"gateway:LeaseHolder": "self"}},
    },
    "jobs": {
        "Effect": "Allow",
        "Principal": {"Group": "training-jobs"},
        "Action": ["gateway:ReadFile", "gateway:CreateLease"],
        "Resource": "dataset/vision/*",
        "Condition": {"StringLike": {"gateway:Purpose": "run-*"}},
    },
}


class OpenVault:
    """A vault whose wrapping hides nothing, with KEKs that have versions and can be retired and destroyed."""

    def __init__(self, time):
        self.time = time
        self.keks = {}
        self.oldest = {}
        self.failure = None

    async def create_kek(self, kek):
        self.keks.setdefault(kek, {1: self.time()})

    async def new_data_key(self, kek):
        key = os.urandom(32)
        return NewDataKey(key, f"vault:v{max(self.keks[kek])}:{key.hex()}")

    async def unwrap(self, kek, wrapped):
        _, version, key = wrapped.split(":")
        if self.failure:
            raise self.failure
        if int(version[1:]) < self.oldest.get(kek, 1) or kek not in self.keks:
            raise IntegrityError(f"Vault's key {kek} does not open what was given to it.")
        return bytes.fromhex(key)

    async def rewrap(self, kek, wrapped):
        return f"vault:v{max(self.keks[kek])}:{(await self.unwrap(kek, wrapped)).hex()}"

    async def rotate_kek(self, kek):
        version = max(self.keks[kek]) + 1
        self.keks[kek][version] = self.time()
        return version

    async def describe_kek(self, kek):
        if self.failure:
            raise self.failure
        made_at, oldest = self.keks.get(kek), self.oldest.get(kek, 1)
        kept = {version: at for version, at in (made_at or {}).items() if version >= oldest}
        return Kek(max(made_at), oldest, kept) if made_at else None

    async def retire_kek(self, kek, *, before):
        self.oldest[kek] = before

    async def destroy_kek(self, kek):
        if self.failure:
            raise self.failure
        self.keks.pop(kek, None)


class Time:
    def __init__(self):
        self.now = NOW
        self.seconds = 0.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


class Counted(MemoryObjectStore):
    """An object store that counts the bytes asked of it, and hands them out a MiB at a time as S3's client does."""

    def __init__(self):
        super().__init__()
        self.read = 0
        self.open = 0

    async def stream(self, key, *, start, end):
        self.open += 1
        try:
            async for whole in super().stream(key, start=start, end=end):
                for at in range(0, len(whole), 1 << 20):
                    chunk = whole[at : at + (1 << 20)]
                    self.read += len(chunk)
                    await anyio.lowlevel.checkpoint()  # as one waits for S3
                    yield chunk
        finally:
            self.open -= 1


class Names:
    """Takes a name for a token."""

    def __init__(self, people):
        self.people = people

    async def identify(self, credentials):
        return Identified(self.people[credentials.token])


class House:
    """The gateway and its parts."""

    def __init__(self, database, journal, time):
        self.database = database
        self.journal = journal
        self.time = time
        self.objects = Counted()
        self.people = {
            "ada": principal("ada", "ml-research"),
            "ivan": principal("ivan", "ml-research"),
            "eve": principal("eve"),
            "trainer": principal("trainer", "training-jobs", kind=PrincipalKind.WORKLOAD),
            "other-job": principal("other-job", "training-jobs", kind=PrincipalKind.WORKLOAD),
        }
        self.source_ip = "10.1.2.3"
        self.policy = PolicySet([read(name, statement) for name, statement in POLICIES.items()])
        self.catalog = SqlCatalog(database)
        self.vault = OpenVault(time)
        self.wrapped = SqlWrappedKeys(database)
        self.keys = DataKeys(self.vault, self.wrapped, time)
        self.lifecycle = Lifecycle(self.vault, self.wrapped, time)
        self.shreds = SqlShreds(database)
        self.forget_pages()
        self.pages_of = lambda resource_id: Pages(SealedPacks(self.objects, self.keys, resource_id), self.cache)
        self.stream_links = StreamLinks([LinkKey(b"1" * 32)], base_url=URL, clock=time)
        self.signer = Presigner(
            Bucket("http://s3.example", "data", "r"), StorageCredentials("id", "secret"), clock=time
        )
        self.revocations = SqlRevocations(database, time, monotonic=lambda: time.seconds)
        self.moves = RecentMoves(database, monotonic=lambda: time.seconds)
        self.app = create_api(
            self.broker(),
            public_url=URL,
            how_to_log_in=LoginOut(token_endpoint="", issuers=[]),
            max_body_bytes=1 << 20,
            max_commit_bytes=1 << 20,
            cors_origins=[PAGE],
            gate=Gate(Rates(Tallies(time, window=timedelta(seconds=10))), requests=100, streams=100),
            metrics=Metrics(),
        )

    def forget_pages(self):
        self.cache = PageCache()

    def came_from(self):
        return Origin("req-1", self.source_ip, secure=True)

    def broker(self):
        guard = Guard(self.policy, self.journal, self.time)
        leases = Leases(
            guard,
            self.catalog,
            SqlLeases(self.database, self.time),
            self.revocations,
            self.time,
            longest=timedelta(days=7),
        )
        lifetimes = Lifetimes(timedelta(minutes=5), timedelta(seconds=1), timedelta(hours=1))

        async def stream_links():
            return self.stream_links

        parts = dict.fromkeys(Broker.__dataclass_fields__)
        ports = (guard, self.catalog, self.signer, stream_links, self.keys, self.pages_of, self.time)
        options = {
            "lifetimes": lifetimes,
            "leases": leases,
            "revocations": self.revocations,
            "moves": self.moves,
        }
        issuing = Issuing(*ports, **options)
        streams = Streams(
            stream_links,
            self.catalog,
            self.keys,
            self.objects,
            self.journal,
            self.time,
            revocations=self.revocations,
            uses=SqlLinkUses(self.database, self.time),
            proofs=Proofs(SqlUsedProofs(self.database, self.time), None, self.time),
        )
        return Broker(
            **parts
            | {
                "browse": Browse(guard, self.catalog, self.pages_of),
                "links": Links(issuing),
                "batch": Batch(issuing),
                "leases": leases,
                "sign_in": Names(self.people),
                "revoke": Revoke(guard, self.revocations, self.time),
                "streams": streams,
                "history": History(guard, self.catalog, self.pages_of, self.time),
                "inspection": Inspection(guard, self.catalog, self.objects, self.pages_of, self.moves),
                "garbage": Garbage(guard, self.catalog, self.objects, self.pages_of, self.time),
                "publish": Publish(
                    guard,
                    self.catalog,
                    self.objects,
                    self.signer,
                    self.keys,
                    self.pages_of,
                    self.time,
                    link_ttl=timedelta(hours=1),
                ),
                "rotate": Rotate(guard, self.catalog, self.lifecycle, self.time),
                "key_status": DescribeKeys(
                    guard,
                    self.catalog,
                    self.lifecycle,
                    self.pages_of,
                    self.moves,
                    self.shreds,
                    self.time,
                    rotate_every=timedelta(days=90),
                ),
                "reencrypt": Reencrypt(guard, self.catalog, self.moves, self.lifecycle, self.time),
                "shredding": Shredding(guard, self.catalog, self.shreds, self.time, delay=timedelta(days=7), able=True),
            }
        )

    async def publish(self, name, files):
        """Publish contents, encrypted as a client does; return the version."""
        name = ResourceName.parse(name)
        resource = await self.catalog.find_resource(name) or await self.catalog.create_resource(
            Resource(os.urandom(16).hex(), name, self.time(), "ada")
        )
        epoch, data_key = await self.keys.current(resource.id)
        push = Push(os.urandom(16).hex(), resource.id, "people", "ada", epoch, self.time(), self.time())
        await self.catalog.open_push(push)
        entries = []
        for number, (path, content) in enumerate(sorted(files.items())):
            object_id = f"{push.id}/{number}"
            key = object_key(data_key, resource_id=resource.id, object_id=object_id)
            await self.objects.put(object_key_in_bucket(resource.id, object_id), envelope.seal(key, content))
            digest = hashlib.sha256(content).hexdigest()
            entries.append(FileEntry(path, len(content), digest, object_id, epoch, envelope.key_check(key)))
        built = await build(entries, self.pages_of(resource.id).packs, push_id=push.id)
        root = built.root
        version = Version(
            name, 0, f"sha256:{root.digest}", root.file_count, root.total_bytes, self.time(), "ada", pack=built.pack
        )
        return await self.catalog.commit_push(push, version, ["latest"])

    @asynccontextmanager
    async def as_person(self, name):
        """A client of the API as somebody."""
        came = self.came_from()
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False, client=(came.source_ip, 50_000))
        headers = {"authorization": f"Bearer {name}", "x-request-id": came.request_id}
        async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
            yield client

    async def ask(self, name, method, path, body=None):
        async with self.as_person(name) as client:
            return await client.request(method, path, json=body)

    async def links(self, name, body, *, resource="dataset/vision/digits", ref="v1"):
        return await self.ask(name, "POST", f"/v1/{resource}/versions/{ref}/links", body)

    async def stream_link(self, name="ada", path="a.csv", **more):
        answer = await self.links(name, {"paths": [path], "mode": "stream"} | more)
        assert answer.status_code == 200, answer.text
        return answer.json()["links"][0]["url"]

    async def follow(self, url, method="GET", **headers):
        async with self.as_person("eve") as client:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, url, headers=sent)

    async def events(self):
        return [json.loads(line)["event"] for line in await self.journal.lines(after=0, limit=10_000)]

    async def codes(self):
        """The code of every refusal or failure in the journal, and '' for each event without."""
        return [event.get("status_code", "") for event in await self.events()][1:]


def principal(name, *groups, kind=PrincipalKind.USER):
    return Principal(
        "people", f"s-{name}", kind, name, frozenset(groups), expires_at=NOW + timedelta(days=30), token_id="t-1"
    )


def read(name, statement):
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    document, faults = read_document(text, name, Dialect.GATEWAY)
    assert document, faults
    return document


@pytest.fixture
def time():
    return Time()


@pytest.fixture
async def house(tmp_path, time):
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    await migrate(database)
    async with Journal(tmp_path / "audit", instance="gateway-1", clock=time) as journal:
        yield House(database, journal, time)
    await database.close()


CONTENT = bytes(range(256)) * 16


@pytest.fixture
async def digits(house):
    """A published dataset."""
    files = {"a.csv": CONTENT, "train/größe 1.bin": b"x" * 3_000_000, "empty": b"", "held-out/b.csv": b"secret"}
    await house.publish("dataset/vision/digits", files)
    return house


@pytest.fixture
def content():
    return CONTENT
