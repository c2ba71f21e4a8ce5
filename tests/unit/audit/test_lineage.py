"""Who read and then published: by events alone, through any kind of search."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit.lineage import descendants
from gateway.audit.question import Found, Page

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(n, who="trainer", action="gateway:ReadFile", name="dataset/vision/digits", version="v3", **more):
    known = {"session": "job-1", "status": "Success", "decision": "Allowed", "code": "", "issuer": "jobs"} | more
    return Found(
        instance="gateway-1",
        seq=n,
        uid=f"uid-{n}",
        time=int((NOON + timedelta(minutes=n)).timestamp() * 1000),
        class_name="API Activity",
        who=who,
        subject=known.pop("subject", who),
        kind="Service",
        action=action,
        resource=name,
        name=name,
        version=version,
        statements="",
        origin="::1",
        request="r",
        bytes=0,
        **known,
    )


def published(n, name="model/vision/m", version="v1", **more):
    return event(n, action="gateway:PublishVersion", name=name, version=version, **more)


@pytest.fixture
def find():
    """Answer questions from a list, two events a page, by what lineage asks for."""

    def of(events):
        def find(question):
            fits = [
                one
                for one in sorted(events, key=lambda one: one.time, reverse=True)
                if question.who in {"", one.who, one.subject}
                and question.issuer in {"", one.issuer}
                and question.action in {"", one.action}
                and question.resource in {"", one.name}
                and question.version in {"", one.version}
                and (question.since is None or one.at >= question.since)
                and (question.place is None or one.place.time < question.place.time)
            ]
            return Page(tuple(fits[:2]), fits[1].place if len(fits) > 2 else None)

        return find

    return of


def test_who_only_read_or_only_published_is_no_descent(find):
    events = [event(1, who="ada", issuer="people"), published(2)]
    assert descendants(find(events), "dataset/vision/digits", "v3") == []


def test_what_was_published_before_the_reading_is_no_descent(find):
    assert descendants(find([published(1), event(2)]), "dataset/vision/digits", "v3") == []


@pytest.mark.parametrize(
    "spoiled",
    [
        published(3, decision="Denied"),
        published(3, status="Intended"),
        published(3, version=""),
        published(3, status="Failure"),
        published(3, who="someone", subject="trainer", issuer="people"),
        published(3, who="trainer", subject="another"),
    ],
)
def test_what_did_not_come_to_a_version_of_theirs_is_no_descent(find, spoiled):
    assert descendants(find([event(1), spoiled]), "dataset/vision/digits", "v3") == []


def test_a_refused_reading_is_none(find):
    assert descendants(find([event(1, decision="Denied"), published(2)]), "dataset/vision/digits", "v3") == []


def test_another_version_is_another_line(find):
    assert descendants(find([event(1, version="v2"), published(2)]), "dataset/vision/digits", "v3") == []


def test_a_job_that_read_and_published_with_one_token(find):
    [one] = descendants(find([event(2), event(1), event(5), published(6)]), "dataset/vision/digits", "v3")
    assert (one.name, one.version, one.who, one.one_session) == ("model/vision/m", "v1", "trainer", True)
    assert one.evidence == ("uid-1", "uid-6")
    assert one.read_at == NOON + timedelta(minutes=1)


def test_a_later_token_is_a_weaker_sign(find):
    [one] = descendants(find([event(1), published(6, session="job-2")]), "dataset/vision/digits", "v3")
    assert (one.one_session, one.evidence) == (False, ("uid-1", "uid-6"))


def test_two_publishers_newest_first(find):
    events = [
        event(1),
        event(2, who="ada", issuer="people", session=""),
        published(3, who="ada", issuer="people", session="", name="model/a/b"),
        published(4),
    ]
    found = descendants(find(events), "dataset/vision/digits", "v3")
    assert [(one.name, one.one_session) for one in found] == [("model/vision/m", True), ("model/a/b", False)]
