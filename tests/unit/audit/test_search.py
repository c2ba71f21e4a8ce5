"""Questions over a journal and its archive: the same answer wherever the events are, whatever the names say."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from gateway.audit import search as module
from gateway.audit.copies import LocalCopies
from gateway.audit.event import decided, refused_login, served
from gateway.audit.journal import Journal
from gateway.audit.parquet import ArchivedFile, archived_until, list_archive
from gateway.audit.question import Found, Page, Place, Question, every
from gateway.audit.search import Archive, JournalFiles, Sources, search
from gateway.audit.segments import list_segments
from gateway.audit.sinks.archive import ArchiveTarget
from gateway.audit.sinks.target import batch_of
from gateway.audit.table import connect
from gateway.errors import InvalidInput, JournalUnavailable, TooLarge, WrongAudience
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind, ResourceName, Version
from gateway.storage.memory import MemoryObjectStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE = ArchivedFile("gateway-1", NOON.date(), 1, 1)
ALLOW = Decision(Outcome.ALLOW, ("a#Read", "b#Read"), "ab" * 32)
DENY = Decision(Outcome.IMPLICIT_DENY)
ADA = Principal("people", "5f2c", PrincipalKind.USER, "ada", token_id="jti-ada")
IVAN = Principal("people", "77aa", PrincipalKind.USER, "ivan", token_id="jti-ivan")
TRAINER = Principal("jobs", "entity-7", PrincipalKind.WORKLOAD, "trainer", token_id="jti-job")
EVIL = Principal("people", "x", PrincipalKind.USER, "' OR 1=1; DROP TABLE t; --")
DIGITS = Version(ResourceName.parse("dataset/vision/digits"), 3, "sha256:" + "cd" * 32, 1, 1, NOON, "ada")


def events():
    def one(who, action, resource, decision=ALLOW, minute=0, ip="192.0.2.7", request="r", **more):
        request_ = AccessRequest(who, action, resource)
        at = NOON + timedelta(minutes=minute)
        return decided(request_, decision, at=at, request_id=request, source_ip=ip, **more)

    read = AccessRequest(TRAINER, "gateway:ReadFile", "dataset/vision/digits/v3/a.csv")
    return [
        one(ADA, "gateway:ReadFile", "dataset/vision/digits/latest/a.csv", minute=1, version=DIGITS),
        one(ADA, "gateway:ReadFile", "dataset/vision/digits-two/latest/a.csv", minute=2),
        one(IVAN, "gateway:ReadFile", "dataset/vision/digits/latest/a.csv", DENY, minute=3, ip="2001:db8::1"),
        one(EVIL, "gateway:ReadFile", "dataset/vision/digits/latest/'; --", minute=4, ip="not an address"),
        one(TRAINER, "gateway:ReadFile", "dataset/vision/digits/v3/a.csv", minute=5, version=DIGITS, request="r-job"),
        served(read, ALLOW, at=NOON + timedelta(minutes=6), request_id="r", source_ip="::1", start=0, end=9, sent=9),
        one(ADA, "gateway:PublishVersion", "model/vision/m", minute=7, failure="conflict"),
        refused_login(WrongAudience("x"), at=NOON + timedelta(minutes=8), request_id="r", source_ip="192.0.2.66"),
    ]


async def write(folder, archived):
    async with Journal(folder, instance="gateway-1", clock=lambda: NOON, segment_bytes=3000) as journal:
        for event in events():
            await journal.append(event)
        objects = MemoryObjectStore()
        if archived:
            batch = batch_of("gateway-1", await journal.lines(after=0, limit=archived))
            await ArchiveTarget(objects).send(batch)
        files = await list_archive(objects, ["gateway-1"])
        await LocalCopies(objects, folder / "copies").fetch(files)
    archive = Archive(files, lambda wanted: [folder / "copies" / file.key for file in wanted])
    return Sources(archive, [JournalFiles("gateway-1", folder / "gateway-1", archived_until(files, "gateway-1"))])


@pytest.fixture(scope="module", params=[0, 4, 9, 10], ids=["journal", "both", "nearly all archived", "archive"])
def sources(request, tmp_path_factory):
    return asyncio.run(write(tmp_path_factory.mktemp("audit"), request.param))


@pytest.fixture
def ask(sources):
    return lambda **asked: [event.seq for event in search(Question(**asked), sources).events]


@pytest.mark.parametrize(
    "text",
    ["' OR 1=1 --", "ada' UNION SELECT * FROM read_text('/etc/passwd') --", "%", "_", "*", "\\", '"', "$who", "\x00"],
)
def test_what_looks_like_sql_is_a_name_that_nobody_has(ask, text):
    assert ask(who=text) == ask(resource=text) == []


@pytest.mark.parametrize("field", ["who", "issuer", "resource", "version", "action", "origin", "request"])
def test_no_field_is_part_of_the_statement(ask, field):
    assert ask(**{field: "' OR 1=1 --"}) == []


def test_who_has_such_a_name_is_found_by_it(ask):
    assert ask(who="' OR 1=1; DROP TABLE t; --") == [5]


def test_the_database_reads_nothing_else(tmp_path):
    secret, allowed = tmp_path / "secret", tmp_path / "allowed's"
    secret.write_text("made-up secret")
    allowed.mkdir()
    (allowed / "x").write_text("fine")
    with connect(readable=[allowed]) as database:
        assert database.execute("SELECT content FROM read_text($1)", [str(allowed / "x")]).fetchall() == [("fine",)]
        for sql in (
            f"SELECT * FROM read_text('{secret}')",  # noqa: S608  # this is the attack
            f"COPY (SELECT 1) TO '{tmp_path / 'out'}'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
            "ATTACH '/tmp/x.db'",
        ):
            with pytest.raises(duckdb.Error):
                database.execute(sql)


@pytest.mark.parametrize("limit", [0, 1001, -1])
def test_a_page_is_bounded(limit):
    with pytest.raises(InvalidInput, match="1 to 1000"):
        Question(limit=limit)


def test_a_name_is_bounded_and_a_time_has_its_zone():
    with pytest.raises(InvalidInput, match="2048"):
        Question(who="x" * 2049)
    with pytest.raises(InvalidInput, match="zone"):
        Question(since=datetime(2026, 1, 1))


@pytest.mark.parametrize("text", ["", "1", "1.gateway-1", "x.gateway-1.1", "1.g.1; --", "1.g.1\n", "-1.g.1"])
def test_a_made_up_place_is_refused(text):
    with pytest.raises(InvalidInput, match="where a page ended"):
        Place.parse(text)


def test_a_question_that_takes_too_long_is_given_up(sources, monkeypatch):
    endless = "(SELECT count(*) FROM range(100_000_000) a, range(1_000_000) b WHERE a.range = b.range % 7) > 0"
    monkeypatch.setattr(module, "_conditions", lambda _: (endless, {}))
    with pytest.raises(TooLarge, match="too long"):
        search(Question(), sources, longest_seconds=0.2)
    with pytest.raises(TooLarge, match="too long"):
        search(Question(), sources, longest_seconds=0)


def test_a_file_that_is_no_parquet_is_said(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"not Parquet")
    with pytest.raises(JournalUnavailable, match="cannot be searched"):
        search(Question(), Sources(Archive([ONE], lambda _: [tmp_path / "x.parquet"])))


def test_nothing_to_look_in_is_nothing_found(tmp_path):
    assert search(Question(), Sources()) == Page((), None)
    assert search(Question(), Sources(journals=[JournalFiles("g", tmp_path)])) == Page((), None)


def test_who_touched_this_dataset(ask):
    assert ask(resource="dataset/vision/digits") == [7, 6, 5, 4, 2]
    assert ask(resource="dataset/vision/digits/v3") == [7, 6]
    assert ask(resource="dataset/vision") == [7, 6, 5, 4, 3, 2]
    assert ask(resource="dataset/vision/digits", version="v3") == [6, 2]


def test_what_did_this_person_read(ask):
    assert ask(who="ada", action="gateway:ReadFile") == [3, 2]
    assert ask(who="5f2c", issuer="people") == [8, 3, 2]
    assert ask(who="ada", issuer="jobs") == []


def test_everything_from_this_address(ask):
    assert ask(origin="192.0.2.66") == [9]
    assert ask(origin="2001:DB8:0::1") == [4]
    assert ask(origin="not an address") == [5]


def test_what_was_refused_and_why(sources):
    found = search(Question(refused=True), sources).events
    assert [(one.seq, one.code) for one in found] == [(9, "wrong-audience"), (8, "conflict"), (4, "access-denied")]
    assert found[-1].refused
    assert not found[-1].statements


def test_when(ask):
    minutes = [NOON + timedelta(minutes=n) for n in range(10)]
    assert ask(since=minutes[7]) == [9, 8]
    assert ask(until=minutes[2], who="ada") == [2]
    assert ask(since=minutes[2], until=minutes[4]) == [4, 3]


def test_a_request_is_found_by_its_id(ask):
    assert ask(request="r-job") == [6]


def test_an_event_says_who_what_when_whence_and_why(sources):
    [found] = search(Question(request="r-job"), sources).events
    assert replace(found, uid="") == Found(
        instance="gateway-1",
        seq=6,
        uid="",
        time=int((NOON + timedelta(minutes=5)).timestamp() * 1000),
        class_name="API Activity",
        who="trainer",
        subject="entity-7",
        issuer="jobs",
        kind="Service",
        session="jti-job",
        action="gateway:ReadFile",
        resource="dataset/vision/digits/v3/a.csv",
        name="dataset/vision/digits",
        version="v3",
        decision="Allowed",
        status="Success",
        code="",
        statements="a#Read b#Read",
        origin="192.0.2.7",
        request="r-job",
        bytes=0,
    )
    assert found.at == NOON + timedelta(minutes=5)
    assert search(Question(resource="dataset/vision/digits/v3"), sources).events[0].bytes == 9


def test_pages_join_without_gap_or_double(sources):
    seqs = [event.seq for event in every(lambda asked: search(replace(asked, limit=3), sources), Question())]
    assert seqs[:8] == [9, 8, 7, 6, 5, 4, 3, 2]
    assert sorted(seqs) == sorted(set(seqs))


def test_a_line_that_is_still_being_written_is_none(tmp_path):
    sources = asyncio.run(write(tmp_path, 0))
    with list_segments(tmp_path / "gateway-1")[-1].open("ab") as segment:
        segment.write(b'{"seq":11,"prev":"00","event":{"metadata":{"uid":"ab')
    assert 11 not in [event.seq for event in search(Question(), sources).events]


def test_segments_that_are_archived_whole_are_not_read(tmp_path):
    asyncio.run(write(tmp_path, 0))
    every_one = JournalFiles("gateway-1", tmp_path / "gateway-1").segments
    assert len(every_one) > 2
    behind = JournalFiles("gateway-1", tmp_path / "gateway-1", after=9)
    assert behind.segments == every_one[-len(behind.segments) :]
    assert len(behind.segments) < len(every_one)
