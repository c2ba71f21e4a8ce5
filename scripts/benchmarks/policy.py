"""Policy decisions against cedarpy, and against the language read straightforwardly, as the set of statements grows.

Every set holds the same mix: each team reads and publishes its own namespaces, a part of it under conditions, with a
guardrail in every tenth. The requests are a mix as well: allowed, denied, and about other teams' data.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

import cedarpy
from harness import Row, Seconds, side_by_side

from gateway.model import AccessRequest, Principal, PrincipalKind
from gateway.policy import PolicySet
from gateway.policy.context import context_of
from gateway.policy.document import Dialect, Document
from gateway.policy.grammar import read_document
from gateway.policy.reference import reference_decision

SIZES = (10, 100, 1_000, 10_000)
PER_DOCUMENT = 100
REQUESTS = 2_000
WANTED = 100_000
"""Decisions a second and core."""
NOW = datetime(2030, 1, 1, tzinfo=UTC)

Statement = dict[str, Any]


def run() -> Iterable[Row]:
    """Compare at each size, and the sizes with one another."""
    for size in SIZES:
        policies = [statement(n) for n in range(size)]
        requests = [request(n, size) for n in range(REQUESTS)]
        decide = deciding(compiled(policies), requests)
        few = requests[: max(1, 400 // size)]  # a baseline of minutes proves no more than one of seconds
        cedar_seconds = side_by_side(decide, deciding_with_cedar(policies, few), rounds=3)
        yield rate(f"{size:,} statements, mixed requests", cedar_seconds, len(few), "cedarpy")
        plain_seconds = side_by_side(decide, deciding_straight(policies, few), rounds=3)
        yield rate(f"{size:,} statements, the same", plain_seconds, len(few), "straightforward evaluator")
    yield from growth()


def rate(case: str, seconds: Seconds, of_baseline: int, baseline: str) -> Row:
    """Return the row of a comparison where the baseline, being slow, answered fewer requests."""
    ours, theirs = REQUESTS / seconds.ours, of_baseline / seconds.baseline
    ratio = ours / theirs
    return Row("policy", case, ours, "decisions/s", baseline, theirs, ratio, 1, ratio >= 1)


def growth() -> Iterator[Row]:
    """Compare 10,000 statements with 100, in turn: three times the cost is the most. And 100 with what we want."""
    small, large = (ready(size) for size in (100, 10_000))
    seconds = core_seconds(large, small)
    yield Row.rate(
        "policy", "10,000 statements", seconds, REQUESTS, "decisions/s", baseline="100 statements", aim=1 / 3
    )
    value = REQUESTS / seconds.baseline
    ratio = value / WANTED
    yield Row("policy", "100 statements, a core", value, "decisions/s", "wanted", WANTED, ratio, 1, ratio >= 1)


def core_seconds(ours: Callable[[], object], baseline: Callable[[], object], rounds: int = 7) -> Seconds:
    """Run both in turn and return the medians of a core's time for each, whatever else the machine did."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, seconds in zip((ours, baseline), taken, strict=True):
            started = time.process_time()
            work()
            seconds.append(time.process_time() - started)
    return Seconds(*map(median, taken))


def ready(size: int) -> Callable[[], object]:
    """Return what decides all the requests on a set of this size."""
    return deciding(compiled([statement(n) for n in range(size)]), [request(n, size) for n in range(REQUESTS)])


def statement(n: int) -> Statement:
    """Return the nth statement."""
    team, space = n % 97, n // 2
    found: Statement = {
        "Sid": f"S{n}",
        "Effect": "Deny" if n % 10 == 9 else "Allow",
        "Principal": {"Group": [f"team-{team}", f"guests-{team}"]},
        "Action": ["gateway:ListFiles", "gateway:ReadFile"] if n % 3 else "gateway:*",
        "Resource": [f"dataset/space-{space}/*", f"model/space-{space}/weights/*"],
    }
    if n % 10 == 9:
        found["Condition"] = {"StringEquals": {"gateway:ResourceTag/sensitivity": "restricted"}}
    elif n % 4 == 0:
        found["Condition"] = {"Bool": {"aws:SecureTransport": "true"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    return found


def compiled(statements: Sequence[Statement]) -> PolicySet:
    """Return the set, in documents of a hundred statements."""
    return PolicySet(document(n, statements[n : n + PER_DOCUMENT]) for n in range(0, len(statements), PER_DOCUMENT))


def document(n: int, statements: Sequence[Statement]) -> Document:
    """Return one document."""
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    found, faults = read_document(text, f"p{n}", Dialect.GATEWAY)
    if found is None:
        raise SystemExit(str(faults[0]))
    return found


def request(n: int, size: int) -> AccessRequest:
    """Return the nth request: two in three are about a namespace of the caller's team."""
    about = n * 7919 % size
    team = about % 97 if n % 3 else (about + 1) % 97
    person = Principal("people", f"u{n}", PrincipalKind.USER, f"user-{n}", frozenset({f"team-{team}", "staff"}))
    context = context_of(person, now=NOW, source_ip="10.1.2.3", secure=True)
    return AccessRequest(person, "gateway:ReadFile", f"dataset/space-{about // 2}/images/v3/train/{n}.png", context)


def deciding(policies: PolicySet, requests: Sequence[AccessRequest]) -> Callable[[], object]:
    """Return what decides all the requests."""
    return lambda: [policies.decide(one) for one in requests]


def deciding_straight(statements: Sequence[Statement], requests: Sequence[AccessRequest]) -> Callable[[], object]:
    """Return what does the same as the language reads."""
    policies = [{"Version": "2012-10-17", "Statement": list(statements)}]
    asked = [(words(one), one.action, one.resource, dict(one.context)) for one in requests]
    return lambda: [reference_decision(policies, *one) for one in asked]


def words(asked: AccessRequest) -> dict[str, object]:
    """Return the principal as the straightforward evaluator takes it."""
    return {"User": asked.principal.name, "Groups": sorted(asked.principal.groups), "Issuer": asked.principal.issuer}


def deciding_with_cedar(statements: Sequence[Statement], requests: Sequence[AccessRequest]) -> Callable[[], object]:
    """Return what does the same in Cedar. Groups are parents of the user, and namespaces of the file."""
    text = "\n".join(policy for one in statements for policy in cedar(one))
    asked = [(cedar_request(one), cedar_entities(one)) for one in requests]
    return lambda: [cedarpy.is_authorized(one, text, entities) for one, entities in asked]


def cedar(one: Statement) -> Iterator[str]:
    """Yield the statement's policies; Cedar names one principal and one resource in each."""
    effect = "forbid" if one["Effect"] == "Deny" else "permit"
    action = "action" if one["Action"] == "gateway:*" else 'action in [Action::"ListFiles", Action::"ReadFile"]'
    when = ""
    if "StringEquals" in one.get("Condition", {}):
        when = ' when { context has sensitivity && context.sensitivity == "restricted" }'
    elif "Bool" in one.get("Condition", {}):
        when = ' when { context.secure && context.source.isInRange(ip("10.0.0.0/8")) }'
    for group in one["Principal"]["Group"]:
        for resource in one["Resource"]:
            space = resource.removesuffix("/*")
            yield f'{effect}(principal in Group::"{group}", {action}, resource in Space::"{space}"){when};'


def cedar_request(one: AccessRequest) -> dict[str, Any]:
    """Return the request as Cedar takes it."""
    return {
        "principal": f'User::"{one.principal.name}"',
        "action": 'Action::"ReadFile"',
        "resource": f'File::"{one.resource}"',
        "context": {"secure": True, "source": {"__extn": {"fn": "ip", "arg": "10.1.2.3"}}},
    }


def cedar_entities(one: AccessRequest) -> list[dict[str, Any]]:
    """Return the entities that the request is about."""
    kind, space, _ = one.resource.split("/", 2)
    groups = [{"type": "Group", "id": group} for group in sorted(one.principal.groups)]
    return [
        {"uid": {"type": "User", "id": one.principal.name}, "attrs": {}, "parents": groups},
        {
            "uid": {"type": "File", "id": one.resource},
            "attrs": {},
            "parents": [{"type": "Space", "id": f"{kind}/{space}"}],
        },
    ]
