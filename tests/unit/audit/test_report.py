import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from gateway.audit.question import Found
from gateway.audit.report import Review, as_csv, as_html

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
READ = Found(
    instance="gateway-1",
    seq=1,
    uid="u",
    time=int(NOON.timestamp() * 1000),
    class_name="API Activity",
    who="ada",
    subject="5f2c",
    issuer="people",
    kind="User",
    session="",
    action="gateway:ReadFile",
    resource="dataset/vision/digits/v3/a",
    name="dataset/vision/digits",
    version="v3",
    decision="Allowed",
    status="Success",
    code="",
    statements="",
    origin="192.0.2.7",
    request="r",
    bytes=0,
)
LATER = replace(READ, time=READ.time + 86_400_000)


def review_of(*events, **more):
    review = Review("dataset/vision/digits", NOON + timedelta(days=2), **more)
    review.add(events)
    return review


class Page(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(name):
    [_, row] = csv.reader(io.StringIO(as_csv(review_of(replace(READ, who=name)))))
    assert row[1] == f"'{name}"


def test_a_name_that_is_markup_is_shown_as_it_is():
    evil = "<script>alert(1)</script>\"'&"
    page = Page(as_html(review_of(replace(READ, who=evil, origin=evil), replace(READ, decision="Denied", code=evil))))
    assert "script" not in {tag for tag, _ in page.tags}
    assert evil in page.text


def test_the_page_needs_nothing_else():
    text = as_html(review_of(READ))
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe"}
    assert not re.search(r"(?:src|href|url)\s*[=(]", text)
    assert [tag for tag, _ in page.tags].count("svg") == 2


def test_each_principal_is_summed_up():
    review = review_of(
        READ,
        LATER,
        replace(READ, action="gateway:PublishVersion"),
        replace(READ, class_name="Datastore Activity", action="Read", bytes=9, version=""),
        replace(READ, status="Intended"),
        replace(READ, who="ivan", subject="77", decision="Denied", code="access-denied", version=""),
    )
    heads, ada, ivan = csv.reader(io.StringIO(as_csv(review)))
    assert dict(zip(heads, ada, strict=True)) == {
        "issuer": "people",
        "principal": "ada",
        "kind": "User",
        "reads": "2",
        "other actions": "1",
        "refused": "0",
        "bytes through the gateway": "9",
        "first": "2026-03-01 12:00:00",
        "last": "2026-03-02 12:00:00",
        "versions": "v3",
        "addresses": "192.0.2.7",
    }
    assert ivan[1:6] == ["ivan", "User", "0", "0", "1"]


def test_many_addresses_are_counted():
    review = review_of(*(replace(READ, origin=f"192.0.2.{n}") for n in range(30)))
    assert as_csv(review).rstrip().endswith("and 10 more")


def test_the_charts_show_the_most_and_the_newest():
    many = [replace(READ, who=f"user-{n}", subject=str(n)) for n in range(40)]
    days = [replace(READ, time=READ.time + n * 86_400_000) for n in range(40)]
    text = as_html(review_of(*many, *days))
    assert text.count("<rect") == 30
    assert "2026-04-09" in text.partition("<table>")[0]


def test_the_span_is_said():
    assert "From the beginning to 2026-03-03 12:00:00 UTC" in as_html(review_of())
    text = as_html(review_of(since=NOON, until=NOON + timedelta(days=1)))
    assert "From 2026-03-01 12:00:00 to 2026-03-02 12:00:00 UTC" in text
