"""The guard decides, records, and grants nothing that is not recorded."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.broker.access import Caller, Guard, Origin
from gateway.errors import AccessDenied, JournalUnavailable, StepUpRequired, UnknownPath
from gateway.model import Decision, Outcome, Principal, PrincipalKind

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA = Caller(Principal("people", "1", PrincipalKind.USER, "ada"), Origin("req-1", "127.0.0.1", secure=True))


class Policy:
    """Answers what it is told to, by resource; else denies."""

    def __init__(self, **outcomes):
        self.outcomes = outcomes

    def decide(self, request):
        return Decision(self.outcomes.get(request.resource, Outcome.IMPLICIT_DENY))

    def denies(self, request):
        decision = self.decide(request)
        return decision if decision.outcome is Outcome.EXPLICIT_DENY else None


class Journal:
    """Keeps events in memory; can be made to fail."""

    def __init__(self):
        self.events = []
        self.full = False

    async def append(self, event):
        return (await self.append_all([event]))[0]

    async def append_all(self, events):
        if self.full:
            raise JournalUnavailable("full")
        self.events += events
        return ["" for _ in events]

    async def check(self):
        pass

    @property
    def outcomes(self):
        return [(event["status"], event.get("status_code", "")) for event in self.events]


@pytest.fixture
def journal():
    return Journal()


def guard_of(journal, **outcomes):
    return Guard(Policy(**outcomes), journal, lambda: NOW)


async def test_a_denied_request_runs_nothing_and_is_recorded(journal):
    with pytest.raises(AccessDenied, match="ada may not do gateway:ReadFile on a: no policy allows it"):
        async with guard_of(journal).reading(ADA, "gateway:ReadFile", "a"):
            pytest.fail("the block ran")
    assert journal.outcomes == [("Failure", "access-denied")]


async def test_an_explicit_deny_says_so_without_naming_the_policy(journal):
    guard = guard_of(journal, a=Outcome.EXPLICIT_DENY)
    with pytest.raises(AccessDenied, match="a policy forbids it"):
        async with guard.reading(ADA, "gateway:ReadFile", "a"):
            pytest.fail("the block ran")


async def test_an_allowed_request_is_recorded_when_its_work_is_done(journal):
    async with guard_of(journal, a=Outcome.ALLOW).reading(ADA, "gateway:ReadFile", "a") as grant:
        assert not journal.events
        grant.facts["files"] = 3
    assert journal.outcomes == [("Success", "")]
    assert journal.events[0]["api"]["response"]["data"] == {"files": 3}


async def test_an_allowed_request_that_fails_is_recorded_with_its_code(journal):
    with pytest.raises(UnknownPath):
        async with guard_of(journal, a=Outcome.ALLOW).reading(ADA, "gateway:ReadFile", "a"):
            raise UnknownPath("no such file")
    assert journal.outcomes == [("Failure", "unknown-path")]


async def test_an_unexpected_failure_is_recorded_as_internal(journal):
    with pytest.raises(ZeroDivisionError):
        async with guard_of(journal, a=Outcome.ALLOW).reading(ADA, "gateway:ReadFile", "a"):
            _ = 1 / 0
    assert journal.outcomes == [("Failure", "internal-error")]


async def test_nothing_is_granted_if_the_event_cannot_be_written(journal):
    journal.full = True
    with pytest.raises(JournalUnavailable):
        async with guard_of(journal, a=Outcome.ALLOW).reading(ADA, "gateway:ReadFile", "a"):
            pass


async def test_a_change_does_not_start_if_its_intent_cannot_be_written(journal):
    journal.full = True
    with pytest.raises(JournalUnavailable):
        async with guard_of(journal, a=Outcome.ALLOW).changing(ADA, "gateway:MoveTag", "a"):
            pytest.fail("the block ran")


async def test_a_change_is_recorded_as_intent_and_as_outcome(journal):
    async with guard_of(journal, a=Outcome.ALLOW).changing(ADA, "gateway:MoveTag", "a"):
        assert journal.outcomes == [("Intended", "")]
    assert journal.outcomes == [("Intended", ""), ("Success", "")]


async def test_what_came_of_a_change_is_recorded_with_it_unless_it_failed(journal):
    async def revoke(error):
        async with guard_of(journal, a=Outcome.ALLOW).changing(ADA, "gateway:Revoke", "a") as grant:
            grant.consequences.append({"status": "Consequence"})
            if error:
                raise error

    with pytest.raises(UnknownPath):
        await revoke(UnknownPath("no such file"))
    await revoke(None)
    assert [status for status, _ in journal.outcomes] == ["Intended", "Failure", "Intended", "Success", "Consequence"]


async def test_a_callers_trace_is_in_its_events(journal):
    traced = Caller(ADA.principal, Origin("req-1", "127.0.0.1", secure=True, trace_id="0a" * 16))
    async with guard_of(journal, a=Outcome.ALLOW).reading(traced, "gateway:ReadFile", "a"):
        pass
    assert journal.events[0]["trace"] == {"uid": "0a" * 16}


async def test_one_refusal_refuses_a_whole_batch_and_each_item_is_recorded(journal):
    guard = guard_of(journal, a=Outcome.ALLOW)
    grants = [guard.ask(ADA, "gateway:ReadFile", name) for name in ("a", "b")]
    with pytest.raises(AccessDenied):
        async with guard.recorded(grants):
            pytest.fail("the block ran")
    assert [event["action"] for event in journal.events] == ["Allowed", "Denied"]


async def test_a_deny_on_the_resolved_version_holds_for_every_name_of_it(journal):
    guard = guard_of(journal, latest=Outcome.ALLOW, v3=Outcome.EXPLICIT_DENY)
    with pytest.raises(AccessDenied, match="on v3"):
        async with guard.reading(ADA, "gateway:ReadFile", "latest") as grant:
            guard.recheck(grant, "v3")
    assert [event["action"] for event in journal.events] == ["Denied"]


async def test_an_allow_on_a_tag_needs_none_on_the_version_that_it_names(journal):
    guard = guard_of(journal, latest=Outcome.ALLOW)
    async with guard.reading(ADA, "gateway:ReadFile", "latest") as grant:
        guard.recheck(grant, "v3")
    assert journal.outcomes == [("Success", "")]


class DemandingPolicy:
    """Denies, and says which login would do."""

    def decide(self, request):
        return Decision(Outcome.IMPLICIT_DENY, step_up="acr=gold;amr=otp;max_age=300")


async def test_a_login_that_is_too_weak_is_told_which_would_do_and_recorded(journal):
    guard = Guard(DemandingPolicy(), journal, lambda: NOW)
    with pytest.raises(StepUpRequired) as refused:
        async with guard.reading(ADA, "gateway:ReadFile", "secret"):
            pytest.fail("it ran")
    assert (refused.value.acr_values, refused.value.amr_values) == (("gold",), ("otp",))
    assert refused.value.max_age == timedelta(minutes=5)
    assert journal.outcomes == [("Failure", "insufficient-user-authentication")]
    assert journal.events[0]["api"]["response"]["data"]["step_up"] == "acr=gold;amr=otp;max_age=300"


async def test_a_workload_is_not_asked_to_log_in_in_another_way(journal):
    trainer = Caller(Principal("jobs", "1", PrincipalKind.WORKLOAD, "trainer"), ADA.origin)
    with pytest.raises(AccessDenied):
        async with Guard(DemandingPolicy(), journal, lambda: NOW).reading(trainer, "gateway:ReadFile", "secret"):
            pytest.fail("it ran")
    assert journal.outcomes == [("Failure", "access-denied")]
