"""The shipped Sigma rules, converted by pySigma and run on events that the gateway's own code made."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

from gateway.audit.detection.finding import finding
from gateway.audit.detection.rules import Alert
from gateway.audit.detection.seen import Seen
from gateway.audit.event import decided, policies_changed, refused_link, signer_replaced
from gateway.errors import LinkExpired, Revoked
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind

RULES = sorted((Path(__file__).parents[3] / "infra" / "siem" / "sigma").glob("*.yml"))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NIGHT = NOON.replace(hour=3)
ALLOW, DENY = Decision(Outcome.ALLOW, ("a#b",)), Decision(Outcome.IMPLICIT_DENY)
ADA, IVAN = (Principal("people", name, PrincipalKind.USER, name) for name in ("ada", "ivan"))
RESTRICTED = {"gateway:ResourceTag/sensitivity": "restricted"}


def event(action="gateway:ReadFile", decision=ALLOW, *, who=ADA, at=NOON, n=0, ip="192.0.2.7", tags=None, **more):
    request = AccessRequest(who, action, "dataset/a/b/v1/c", tags or {})
    return decided(request, decision, at=at + timedelta(seconds=n / 100), request_id="r", source_ip=ip, **more)


def many(count, apart=1, **more):
    return [event(n=n * apart, **more) for n in range(count)]


def refused(error, at=NOON):
    return refused_link(error, at=at, request_id="r", source_ip="192.0.2.7")


SEEN = Seen(
    "u", NOON, "people", "ada", "ada", "::1", "", "", reads=1, refused=False, code="", restricted=False, change=""
)

CASES = {
    "refusal_burst": (
        many(19, decision=DENY) + many(100) + [event(decision=DENY, who=IVAN)],
        many(20, decision=DENY),
    ),
    "unusual_volume": (many(9_999) + many(9_999, who=IVAN), many(10_000)),
    "restricted_at_scale": (
        many(499, tags=RESTRICTED) + many(600) + many(600, tags=RESTRICTED, intent=True),
        many(500, tags=RESTRICTED),
    ),
    "new_network": (
        [event(n=n, ip=f"192.0.2.{n % 4}") for n in range(50)],
        [event(n=n, ip=f"192.0.2.{n}") for n in range(5)],
    ),
    "revoked_use": ([refused(LinkExpired("x")), event(decision=DENY)], [refused(Revoked("x"))]),
    "change_out_of_hours": (
        [
            policies_changed(digest="ab", at=NOON),
            event("gateway:RotateKey"),
            event("gateway:RotateKey", DENY, at=NIGHT),
        ],
        [event("gateway:RotateKey", at=NIGHT)],
    ),
    "own_finding": ([event()], [finding(Alert("revoked-use", "x", 4, SEEN, ("u",)), at=NOON)]),
}


def flat(value, prefix=""):
    """Return an event as one row, as SIEMs index it: dotted names, and the first element where there is a list."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        return {key: one for name, inner in value.items() for key, one in flat(inner, f"{prefix}{name}.").items()}
    return {prefix[:-1]: value}


def matches(rule, events):
    """Return what a rule's last query finds, run by SQLite."""
    rows = [flat(one) | {"timestamp": stamp(one["time"])} for one in events]
    queries = sqliteBackend().convert(SigmaCollection.from_yaml(rule.read_text()))
    wanted = [name for query in queries for name in fields(query)]
    names = sorted({name for row in rows for name in row} | set(wanted))
    database = sqlite3.connect(":memory:")
    try:
        database.execute(f"CREATE TABLE logs ({', '.join(f'`{name}`' for name in names)})")
        places = ", ".join("?" for _ in names)
        database.executemany(f"INSERT INTO logs VALUES ({places})", ([row.get(name) for name in names] for row in rows))  # noqa: S608  # our own names
        return database.execute(queries[-1]).fetchall()
    finally:
        database.close()


def fields(query):
    """Return the columns that a query names, so that those which no event has are there and empty."""
    quoted = query.split("`")[1::2]
    plain = ["class_uid", "action", "status", "status_code", "activity_name", "is_alert"]
    return [name for name in quoted if "." in name] + plain


def stamp(milliseconds):
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def test_every_rule_has_its_events():
    assert {rule.stem for rule in RULES} == set(CASES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.stem)
def test_usual_events_raise_nothing(rule):
    assert matches(rule, CASES[rule.stem][0]) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.stem)
def test_what_the_rule_is_for_raises_it(rule):
    assert matches(rule, CASES[rule.stem][1])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.stem)
def test_rules_are_well_formed(rule):
    collection = SigmaCollection.from_yaml(rule.read_text())
    assert not collection.errors
    offline = {name: one for name, one in validators.items() if "tag" not in name}  # those fetch lists
    issues = SigmaValidator(set(offline.values())).validate_rules(collection)
    assert [issue for issue in issues if issue.severity.name == "HIGH"] == []


@pytest.mark.parametrize("at", [NOON, NIGHT])
def test_each_change_of_policies_or_keys_is_told_at_night_alone(at):
    [rule] = [rule for rule in RULES if rule.stem == "change_out_of_hours"]
    signer = signer_replaced(before="AKIAOLD", now="AKIANEW", at=at)
    for one in (policies_changed(digest="ab", at=at), signer, event("gateway:ShredKey", at=at)):
        assert len(matches(rule, [one])) == (at == NIGHT)


def test_events_are_json():
    assert json.loads(json.dumps(flat(event())))["actor.user.uid"] == "ada"
