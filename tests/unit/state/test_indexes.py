"""Every statement that the stores run finds its rows by an index, on both databases, however many rows there are."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from gateway.model import (
    Lease,
    Mark,
    MovedObject,
    Reencryption,
    ReencryptionState,
    ResourceKind,
    Revocation,
    RevocationKind,
    Shred,
    ShredState,
    Signatory,
)
from gateway.ports import WrappedKey
from gateway.state.keys import SqlWrappedKeys
from gateway.state.leases import SqlLeases
from gateway.state.link_uses import SqlLinkUses
from gateway.state.reencryptions import SqlReencryptions
from gateway.state.revocations import SqlRevocations
from gateway.state.shreds import SqlShreds
from gateway.state.used_proofs import SqlUsedProofs

pytestmark = pytest.mark.anyio

WHOLE = {"postgresql": r"Seq Scan on (\w+)", "sqlite": r"^SCAN (?!CONSTANT)(\w+)\b(?! USING)"}
"""How each database says that it would read a table from end to end."""
READ_WHOLE = {"revocations", "alembic_version"}
"""Tables that are read as a whole by design: each instance holds the revocations in force in memory."""


@pytest.fixture
def explain(database):
    """Returns the tables that the statements run so far would read whole."""
    dialect = database.engine.dialect.name
    ran = {}

    @event.listens_for(database.engine, "before_cursor_execute")
    def _(_connection, _cursor, statement, parameters, _context, many):
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            ran[statement] = parameters[0] if many else parameters

    async def find():
        found = {}
        for statement, parameters in list(ran.items()):

            def plan(session, statement=statement, parameters=parameters):
                if dialect == "postgresql":  # tables as small as a test's are read whole wherever that is allowed
                    session.execute(text("SET LOCAL enable_seqscan = off"))
                how = "EXPLAIN " if dialect == "postgresql" else "EXPLAIN QUERY PLAN "
                return [row[-1] for row in session.connection().exec_driver_sql(how + statement, parameters)]

            for line in await database.write(plan):
                for table in re.findall(WHOLE[dialect], line):
                    found.setdefault(table, statement)
        return found

    return find


async def test_a_query_without_an_index_is_found_out(database, explain):
    await database.read(lambda session: session.execute(text("SELECT id FROM resources WHERE created_by = 'ada'")))
    assert list(await explain()) == ["resources"]


async def test_the_catalogs_statements_use_an_index(catalog, resource, push, new_push, new_version, explain):
    await catalog.reserve_objects(push.id, 5)
    await catalog.add_upload(push.id, 1, "upload")
    await catalog.find_upload(push.id, 1)
    version = await catalog.commit_push(push, new_version(resource), ["latest", "prod"])
    await catalog.find_resource(resource.name)
    await catalog.change_resource_tags(resource, put={"owner": "ada"}, remove=[])
    for kind in (None, ResourceKind.DATASET):
        for namespace in (None, "vision"):
            for after in (None, resource.name):
                await catalog.list_resources(kind=kind, namespace=namespace, after=after, limit=10)
    await catalog.find_version(resource)
    await catalog.find_version(resource, number=1)
    await catalog.find_version(resource, digest=version.digest)
    await catalog.list_versions(resource)
    await catalog.set_tag(resource, "prod", 1)
    await catalog.tags(resource)
    await catalog.open_push(new_push(resource, "b"))
    await catalog.close_push("b" * 32)
    assert await explain() == {}


async def test_the_keys_statements_use_an_index(database, now, explain):
    keys = SqlWrappedKeys(database)
    key = await keys.add(WrappedKey("a", 1, "vault:v1:x", now))
    await keys.newest("a")
    await keys.find("a", 1)
    await keys.all("a")
    await keys.replace(key, rewrapped="vault:v2:y")
    assert await explain() == {}


async def test_the_statements_about_work_on_keys_use_an_index(database, resource, now, explain):
    who = Signatory("people", "s-grace", "grace")
    shreds = SqlShreds(database)
    await shreds.add(Shred(resource.id, resource.name, "request 4711", ShredState.REQUESTED, who, now))
    await shreds.approve(resource.id, by=who, due_at=now)
    await shreds.take_due(now=now, again_after=timedelta(minutes=1))
    await shreds.finish(resource.id, at=now, proof={})
    await shreds.withdraw(resource.id)
    jobs, later = SqlReencryptions(database), now + timedelta(minutes=1)
    job = Reencryption(resource.id, resource.name, 2, ReencryptionState.RUNNING, who, now)
    await jobs.start(job)
    await jobs.take("me", now=now, until=later)
    await jobs.hold(resource.id, "me", until=later)
    await jobs.update(job, "me", until=later)
    await jobs.add_moved(resource.id, [(MovedObject("p/0", "p/0@2", 2, "ab" * 16), "p/0")])
    await jobs.current(resource.id, ["p/0"])
    await jobs.open_pushes(resource.id, now=now)
    await jobs.drop_copies(resource.id, await jobs.old_copies(resource.id, limit=9))
    await jobs.stop(resource.id)
    await SqlWrappedKeys(database).destroy("a")
    assert await explain() == {}


async def test_the_statements_about_links_and_proofs_use_an_index(database, resource, now, explain):
    later = now + timedelta(hours=1)
    for _ in range(2):
        await SqlLinkUses(database, lambda: now).take("a" * 32, limit=1, expires_at=later)
        await SqlUsedProofs(database, lambda: now).take("b" * 64, until=later)
    leases = SqlLeases(database, lambda: now)
    await leases.add(Lease("c" * 32, "jobs", "trainer", "trainer", (resource.name,), "run", now, later))
    await leases.find("c" * 32)
    await leases.in_force(after="", limit=10)
    revocations = SqlRevocations(database, lambda: now)
    await revocations.add(Revocation(RevocationKind.LINK, "a" * 32, now, later, "grace"))
    await revocations.check([Mark(RevocationKind.LEASE, "c" * 32)], issued_at=now)
    assert set(await explain()) <= READ_WHOLE
