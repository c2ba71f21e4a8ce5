"""At least once, whatever the target does: nothing lost, nothing reordered, no flood."""

import json
import logging
from collections import Counter
from datetime import timedelta

import anyio
import pytest

from gateway.audit.canonical import encode_event
from gateway.audit.record import Head, parse, seal
from gateway.audit.sinks.cursor import Cursor
from gateway.audit.sinks.delivery import Delivery, Pace
from gateway.audit.sinks.target import batch_of, line_of
from gateway.errors import EventRefused, JournalBroken, SinkUnavailable

pytestmark = pytest.mark.anyio


class Target:
    """Does as its script says, a step for each batch: an error is raised, "half" takes half of it and fails."""

    def __init__(self, *script, poison=()):
        self.script = list(script)
        self.poison = set(poison)
        self.sent = []
        self.calls = 0
        self.closed = False

    async def send(self, batch):
        self.calls += 1
        step = self.script.pop(0) if self.script else None
        if step == "half":
            self.sent += [record.seq for record in batch.records[: len(batch.records) // 2]]
            raise SinkUnavailable("The connection was lost.")
        if step == "hang":
            await anyio.sleep_forever()
        if step:
            raise step
        if self.poison & {record.seq for record in batch.records}:
            raise EventRefused("The receiver answers 400 to the event.")
        self.sent += [record.seq for record in batch.records]

    async def close(self):
        self.closed = True


EVERY = list(range(1, 12))


async def test_a_line_that_is_no_record_stops_the_sink_and_is_not_passed_over(delivery_to, journal):
    first = (await journal.lines(after=0, limit=1))[0]
    with pytest.raises(JournalBroken, match="where its next record should be"):
        batch_of("gateway-1", [b"rubbish\n", first])
    with pytest.raises(JournalBroken, match="after record 1"):
        batch_of("gateway-1", [first, b"rubbish\n"])


async def test_a_target_that_fails_is_sent_the_same_again(delivery_to, settle):
    target = Target(SinkUnavailable("away"), RuntimeError("bug"), None, SinkUnavailable("away"))
    await settle(delivery_to(target))
    assert target.sent == EVERY
    assert target.closed


async def test_what_was_half_taken_is_sent_again_whole(delivery_to, settle):
    target = Target("half", None, "half")
    await settle(delivery_to(target))
    assert Counter(target.sent) == Counter(EVERY) + Counter([1, 2, 5, 6])


async def test_a_target_that_hangs_is_given_up_and_tried_again(delivery_to, settle):
    target = Target("hang")
    await settle(delivery_to(target))
    assert target.sent == EVERY


async def test_a_kill_between_sending_and_noting_sends_twice_and_loses_nothing(delivery_to, settle, monkeypatch):
    target = Target()
    first = delivery_to(target)
    with monkeypatch.context() as patched:
        patched.setattr(Cursor, "advance", lambda *_: (_ for _ in ()).throw(SinkUnavailable("killed")))
        with pytest.raises(SinkUnavailable):
            await first.step()
    await settle(delivery_to(target))
    assert target.sent == [1, 2, 3, 4, *EVERY]


async def test_a_restart_goes_on_where_it_was(delivery_to, settle):
    before, after = Target(), Target()
    assert await delivery_to(before).step()
    await settle(delivery_to(after))
    assert (before.sent, after.sent) == ([1, 2, 3, 4], EVERY[4:])


async def test_an_event_that_is_refused_is_found_kept_and_passed_by(delivery_to, settle, tmp_path, journal, uids):
    target = Target(poison={3, 8})
    delivery = delivery_to(target)
    await settle(delivery)
    assert target.sent == [seq for seq in EVERY if seq not in {3, 8}]
    letters = [json.loads(line) for line in (tmp_path / "sinks" / "siem.dead.ndjson").read_text().splitlines()]
    assert [(one["seq"], one["event"]["metadata"]["uid"]) for one in letters] == [(3, uids[2]), (8, uids[7])]
    assert letters[0]["reason"] == "The receiver answers 400 to the event."
    assert (await delivery.standing()).dead == 2


async def test_a_day_away_is_two_lines_in_the_log(delivery_to, settle, caplog):
    target = Target(*[SinkUnavailable("away")] * 40)
    with caplog.at_level(logging.INFO):
        await settle(delivery_to(target))
    assert [record.getMessage() for record in caplog.records if record.name.startswith("gateway")] == [
        "sink siem is away, and its events wait in the journal: away",
        "sink siem is back after 40 failures",
    ]


async def test_no_more_than_a_batch_is_held_however_much_waits(journal, tmp_path, noon):
    asked = []

    class Watched:
        instance = "gateway-1"

        async def lines(self, *, after, limit):
            asked.append(limit)
            return await journal.lines(after=after, limit=limit)

    pace = Pace(batch=3)
    delivery = Delivery("siem", Watched(), Target(), Cursor(tmp_path, "siem"), clock=lambda: noon, pace=pace)
    while await delivery.step():
        pass
    assert set(asked) == {3}


async def test_waits_double_to_a_limit_and_are_shortened_at_random(delivery_to, journal, tmp_path):
    pace = Pace(first_wait=timedelta(seconds=1), longest_wait=timedelta(seconds=5))
    waits = {}
    for chance in (0.0, 1.0):
        delivery = Delivery(
            "siem",
            journal,
            Target(),
            Cursor(tmp_path, "siem"),
            clock=lambda: None,
            pace=pace,
            chance=lambda c=chance: c,
        )
        waits[chance] = [delivery._failed(SinkUnavailable("away")) for _ in range(2000)]
    assert waits[0.0][:5] == [1, 2, 4, 5, 5]
    assert waits[1.0][:5] == [0.5, 1, 2, 2.5, 2.5]
    assert waits[0.0][-1] == 5


async def test_a_lingering_sink_waits_for_a_batch_to_fill(delivery_to, noon):
    lingering = Pace(batch=100, linger=timedelta(minutes=15))
    early = delivery_to(Target(), pace=lingering, clock=lambda: noon + timedelta(minutes=14))
    assert not await early.step()
    full = Pace(batch=4, linger=timedelta(minutes=15))
    assert await delivery_to(Target(), pace=full, name="full", clock=lambda: noon).step()
    late = delivery_to(Target(), pace=lingering, clock=lambda: noon + timedelta(minutes=15))
    assert await late.step()


async def test_the_standing_says_how_far_behind_and_why(delivery_to, settle):
    delivery = delivery_to(Target(*[SinkUnavailable("The receiver answers 500.")] * 10_000))
    async with anyio.create_task_group() as group:
        group.start_soon(delivery.run)
        while not (standing := await delivery.standing()).fault:  # noqa: ASYNC110  # a state, not an event, is waited for
            await anyio.sleep(0.005)
        group.cancel_scope.cancel()
    assert (standing.seq, standing.waiting, standing.dead, standing.lag_seconds) == (0, 11, 0, 90)
    assert standing.fault == "The receiver answers 500."
    done = delivery_to(Target())
    await settle(done)
    standing = await done.standing()
    assert (standing.seq, standing.waiting, standing.lag_seconds, standing.fault) == (11, 0, 0, "")


async def test_an_event_without_a_time_does_not_linger(delivery_to):
    line, _ = seal(Head(0, b"0" * 64), encode_event({"no": "time"}))
    delivery = delivery_to(Target(), pace=Pace(linger=timedelta(hours=1)))
    assert delivery._age(parse(line)) == timedelta(hours=1)


async def test_an_empty_journal_has_nothing_to_say(tmp_path):
    class Empty:
        instance = "gateway-1"

        async def lines(self, **_):
            return []

    delivery = Delivery("siem", Empty(), Target(), Cursor(tmp_path, "siem"), clock=lambda: None)
    assert not await delivery.step()
    assert (await delivery.standing()).waiting == 0


async def test_a_records_line_is_the_journals(journal):
    lines = await journal.lines(after=0, limit=20)
    assert [line_of(record) for record in batch_of("gateway-1", lines).records] == lines
