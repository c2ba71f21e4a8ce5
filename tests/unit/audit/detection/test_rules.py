"""Each rule: what it must not tell of first, then what it must."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit.detection.rules import rules_of
from gateway.audit.detection.seen import Seen
from gateway.settings import DetectionSettings

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
SETTINGS = DetectionSettings(
    volume_factor=10,
    volume_least=50,
    refusals=5,
    refusals_within=timedelta(minutes=5),
    restricted_reads=10,
    restricted_within=timedelta(hours=1),
)
READ = Seen(
    uid="",
    at=MONDAY,
    issuer="people",
    subject="5f2c",
    name="ada",
    address="192.0.2.7",
    network="192.0.2.0/24",
    resource="dataset/a/b",
    reads=1,
    refused=False,
    code="",
    restricted=False,
    change="",
)
REFUSED = replace(READ, reads=0, refused=True, code="access-denied")


@pytest.fixture
def tell():
    """Show events to one rule, a minute after another, and return its alerts."""

    def tell(name, events, start=MONDAY, apart=timedelta(minutes=1)):
        [rule] = [rule for rule in rules_of(SETTINGS) if rule.name == name]
        notes, alerts = {}, []
        for n, event in enumerate(events):
            shown = replace(event, uid=f"uid-{n}", at=event.at if event.at != MONDAY else start + n * apart)
            alerts.append(rule.look(shown, notes.setdefault(rule.of(shown), {})))
        return [alert for alert in alerts if alert]

    return tell


def hours(*counts):
    return [replace(READ, at=MONDAY + timedelta(hours=n, seconds=1), reads=count) for n, count in enumerate(counts)]


@pytest.mark.parametrize(
    "counts",
    [
        (20, 20, 20, 20, 20, 199),
        (1, 1, 1, 1, 1, 50),
        (20, 20, 20, 20, 5000),
        (0, 0, 0, 0, 0, 0),
        (5000, 5000, 5000, 5000, 5000, 5000),
    ],
    ids=["below the factor", "below the least", "no history yet", "nothing", "a busy job"],
)
def test_usual_volume_is_nothing(tell, counts):
    assert tell("unusual-volume", hours(*counts)) == []


def test_volume_far_above_the_principals_own_is_told_once_an_hour(tell):
    events = hours(20, 20, 20, 20, 20, 150) + hours(0, 0, 0, 0, 0, 60, 60)[5:6] * 3
    [alert] = tell("unusual-volume", events)
    assert alert.title == "ada read 210 files within the hour, and usually reads 20."
    assert alert.evidence == ("uid-5", "uid-6")


def test_the_habit_of_one_is_not_anothers(tell):
    quiet = [replace(event, subject="77", name="ivan") for event in hours(1, 1, 1, 1, 1, 60)]
    assert [alert.seen.name for alert in tell("unusual-volume", hours(500, 500, 500, 500, 500, 500) + quiet)] == [
        "ivan"
    ]


def test_a_few_refusals_are_nothing(tell):
    assert tell("refusal-burst", [REFUSED] * 4 + [READ] * 10) == []
    assert tell("refusal-burst", [REFUSED] * 50, apart=timedelta(minutes=2)) == []
    others = [replace(REFUSED, subject=str(n)) for n in range(50)]
    assert tell("refusal-burst", others, apart=timedelta(0)) == []


def test_a_burst_of_refusals_is_told_and_begun_anew(tell):
    first, second = tell("refusal-burst", [REFUSED] * 12, apart=timedelta(seconds=10))
    assert first.title == "ada was refused 5 times within 5 minutes."
    assert first.evidence == tuple(f"uid-{n}" for n in range(5))
    assert second.evidence[0] == "uid-5"


def test_where_nobody_was_verified_the_address_counts(tell):
    guessing = replace(REFUSED, issuer="", subject="", name="")
    elsewhere = [replace(guessing, address=f"198.51.100.{n}") for n in range(4)]
    assert tell("refusal-burst", elsewhere, apart=timedelta(0)) == []
    [alert] = tell("refusal-burst", [guessing] * 5, apart=timedelta(0))
    assert alert.title.startswith("Somebody at 192.0.2.7 was refused")
    [alert] = tell("refusal-burst", [replace(guessing, address="")] * 5, apart=timedelta(0))
    assert alert.title.startswith("Somebody at an unknown address")


NEW = replace(READ, network="203.0.113.0/24")


def test_a_first_network_and_known_ones_are_nothing(tell):
    assert tell("new-network", [READ, READ]) == []
    assert (
        tell("new-network", [READ, replace(NEW, refused=True), replace(NEW, network=""), replace(NEW, subject="")])
        == []
    )


def test_another_network_is_told_once(tell):
    [alert] = tell("new-network", [READ, NEW, NEW, READ])
    assert (alert.title, alert.evidence) == ("ada came from 203.0.113.0/24 for the first time.", ("uid-1",))


def test_a_first_issuer_and_known_ones_are_nothing(tell):
    assert tell("new-issuer", [READ, READ, replace(READ, issuer="", subject="")]) == []
    assert tell("new-issuer", [READ, replace(REFUSED, issuer="jobs")]) == []


def test_another_issuer_is_told_once(tell):
    jobs = replace(READ, issuer="jobs", subject="1", name="trainer")
    [alert] = tell("new-issuer", [READ, jobs, jobs])
    assert alert.title == "trainer is the first to come through jobs."


def test_another_refusal_is_no_use_of_what_was_revoked(tell):
    assert tell("revoked-use", [REFUSED, READ]) == []


@pytest.mark.parametrize("code", ["revoked", "token-revoked"])
def test_use_of_what_was_revoked_is_told_once_an_hour(tell, code):
    used = replace(REFUSED, code=code)
    assert [alert.evidence for alert in tell("revoked-use", [used] * 61)] == [("uid-0",), ("uid-60",)]


RESTRICTED = replace(READ, restricted=True)


def test_a_few_restricted_files_are_nothing(tell):
    assert tell("restricted-at-scale", [RESTRICTED] * 9 + [READ] * 50) == []
    assert tell("restricted-at-scale", [RESTRICTED] * 50, apart=timedelta(minutes=8)) == []
    assert tell("restricted-at-scale", [replace(RESTRICTED, reads=0)] * 50) == []


def test_many_restricted_files_are_told(tell):
    [alert] = tell("restricted-at-scale", [RESTRICTED] * 15)
    assert alert.title == "ada read 10 restricted files within 60 minutes."
    assert alert.evidence == tuple(f"uid-{n}" for n in range(10))
    [alert] = tell("restricted-at-scale", [replace(RESTRICTED, reads=1000)])
    assert alert.severity == 4


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (MONDAY, False),
        (MONDAY.replace(hour=7), False),
        (MONDAY.replace(hour=6, minute=59), True),
        (MONDAY.replace(hour=18, minute=59), False),
        (MONDAY.replace(hour=19), True),
        (MONDAY - timedelta(days=1), True),
    ],
)
def test_changes_out_of_hours_are_told(tell, at, told):
    alerts = tell("change-out-of-hours", [replace(READ, change="keys", at=at + timedelta(microseconds=1))])
    assert bool(alerts) == told


def test_who_changed_is_named_where_it_is_known(tell):
    night = MONDAY.replace(hour=3)
    policies = replace(READ, change="policies", name="", at=night)
    [alert] = tell("change-out-of-hours", [replace(READ, at=night), policies])
    assert alert.title == "The policies were changed out of hours, at Monday 03:00 UTC."
    [alert] = tell("change-out-of-hours", [replace(policies, change="keys", name="grace")])
    assert alert.title.startswith("The keys were changed by grace")
