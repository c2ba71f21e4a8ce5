"""Takes secrets through the steps of their rotation, all at once, each from where it was left."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import anyio

from gateway.audit import event
from gateway.audit.journal import Journal
from gateway.clock import Clock
from gateway.errors import GatewayError, IntegrityError, NotTakenUp
from gateway.model import Secret
from gateway.ports import HoldingStore, Report
from gateway.rotation.book import Book
from gateway.rotation.steps import NEW, OLD, Facts, Kind, Progress, Step, after

Told = Callable[[Secret, Step, bool], None]
"""Is told of each step that was done: once when it is, and once (True) when that is noted."""

SILENT_AFTER = timedelta(seconds=30)
"""An instance that says nothing for so long serves nothing: to grant something it needs the database it would tell."""
_LOOK_EVERY_SECONDS = 1.0


class State(StrEnum):
    """How a run left a secret."""

    REPLACED = "replaced"
    WAITING = "waiting"
    """For the old one's overlap to end."""
    ABSENT = "absent"
    """There is none yet."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one secret in a run."""

    secret: Secret
    state: State
    until: datetime | None = None
    """When it can go on, if it waits."""
    fault: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How old a secret is."""

    secret: Secret
    present: str = ""
    """Its version or fingerprint; empty where there is none yet."""
    made_at: datetime | None = None
    due_at: datetime | None = None
    """None where there is none yet; in the past where nobody knows how old it is."""
    step: Step | None = None
    """What comes next in a rotation that is under way."""
    fault: GatewayError | None = None


class Rotation:
    """All secrets of one gateway.

    Args:
        kinds: The secrets.
        book: What was done.
        holdings: What instances hold.
        journal: Where each step is recorded; not opened.
        clock: The time.
        take_up: How long instances may take to hold a new secret.
        periods: How old each secret may get.
        told: Is told of each step.
    """

    def __init__(  # noqa: PLR0913  # its parts
        self,
        kinds: Sequence[Kind],
        book: Book,
        holdings: HoldingStore,
        journal: Journal,
        clock: Clock,
        *,
        take_up: timedelta,
        periods: Callable[[Secret], timedelta],
        told: Told = lambda *_: None,
    ) -> None:
        self._kinds = {kind.secret: kind for kind in kinds}
        self._book = book
        self._holdings = holdings
        self._journal = journal
        self._clock = clock
        self._take_up = take_up
        self._periods = periods
        self._told = told

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that this gateway has."""
        return tuple(self._kinds)

    async def standings(self) -> list[Standing]:
        """Return how old each secret is."""
        return [await self._standing(kind) for kind in self._kinds.values()]

    async def _standing(self, kind: Kind) -> Standing:
        try:
            present, progress = await kind.look(), await self._book.progress(kind.secret)
        except GatewayError as fault:
            return Standing(kind.secret, fault=fault)
        if present is None:
            return Standing(kind.secret, step=progress.step)
        # Whichever is later: not everybody who keeps a secret remembers when it was made, or made anew.
        made_at = max(filter(None, (present.made_at, progress.finished_at)), default=None)
        due_at = (made_at + self._periods(kind.secret)) if made_at else self._clock()
        return Standing(kind.secret, present.name, made_at, due_at, progress.step)

    async def run(self, secrets: Sequence[Secret], *, wait: bool) -> list[Result]:
        """Replace these secrets, or go on where it was left, and return what became of each.

        Args:
            secrets: Which.
            wait: Whether to stay until overlaps have ended.

        Raises:
            RotationHeld: another run is at work.
        """
        results: dict[Secret, Result] = {}

        async def one(kind: Kind) -> None:
            try:
                results[kind.secret] = await self._replace(kind, wait=wait)
            except GatewayError as fault:
                results[kind.secret] = Result(kind.secret, State.FAILED, fault=fault)

        # The journal has one writer, so it is opened by the one run at work.
        async with self._book.held(), self._journal, anyio.create_task_group() as tasks:
            for secret in secrets:
                tasks.start_soon(one, self._kinds[secret])
        return [results[secret] for secret in secrets]

    async def _replace(self, kind: Kind, *, wait: bool) -> Result:
        progress = await self._book.progress(kind.secret)
        if progress.step is None:
            present = await kind.look()
            if present is None:
                return Result(kind.secret, State.ABSENT)
            begun = replace(progress, step=Step.MAKE, since=self._clock(), facts={OLD: present.name})
            progress = await self._book.note(kind.secret, begun)
        while progress.step is not None:
            until = self._overlap_end(kind, progress)
            if until and until > self._clock():
                if not wait:
                    return Result(kind.secret, State.WAITING, until)
                await anyio.sleep((until - self._clock()).total_seconds())
                continue
            progress = await self._advance(kind, progress, progress.step)
        return Result(kind.secret, State.REPLACED)

    def _overlap_end(self, kind: Kind, progress: Progress) -> datetime | None:
        return progress.since + kind.overlap if progress.step is Step.OVERLAP and progress.since else None

    async def _advance(self, kind: Kind, progress: Progress, step: Step) -> Progress:
        """Do a step, record it, and note that it was done; in this order, so that none is done unrecorded."""
        try:
            facts = await self._do(kind, progress, step)
        except GatewayError as fault:
            await self._journal.append(
                event.secret_step(kind.secret, step, progress.facts, at=self._clock(), fault=fault)
            )
            raise
        now, following = self._clock(), after(step)
        await self._journal.append(event.secret_step(kind.secret, step, facts, at=now))
        self._told(kind.secret, step, False)  # noqa: FBT003 -- positional, as a callback's
        done = Progress(following, now, facts, progress.finished_at, progress.revision)
        if following is None:
            await self._book.forget(kind.secret)
            done = Progress(None, None, {}, now, progress.revision)
        noted = await self._book.note(kind.secret, done)
        self._told(kind.secret, step, True)  # noqa: FBT003 -- the same
        return noted

    async def _do(self, kind: Kind, progress: Progress, step: Step) -> dict[str, str]:
        facts = dict(progress.facts)
        match step:
            case Step.MAKE:
                return facts | dict(await kind.make(facts))
            case Step.PUBLISH:
                await kind.publish(facts)
            case Step.TAKE_UP:
                await self._taken_up(kind, facts)
            case Step.ACTIVATE:
                await kind.activate(facts)
            case Step.VERIFY:
                await kind.verify(facts)
            case Step.OVERLAP:
                pass  # it was waited for
            case Step.REVOKE:
                await kind.revoke(facts)
            case Step.PROVE:
                await self._let_go(kind, facts[OLD])
                await kind.prove(facts)
        return facts

    async def _taken_up(self, kind: Kind, facts: Facts) -> None:
        async def behind() -> list[str]:
            here = [] if await kind.has_arrived(facts) else ["this machine"]
            return here + await self._behind(kind, lambda report: report.holding.uses == facts[NEW])

        await self._until_none(behind, f"{kind.secret}: the new one is not used yet by")

    async def _let_go(self, kind: Kind, old: str) -> None:
        async def behind() -> list[str]:
            return await self._behind(kind, lambda report: old not in report.holding.accepts)

        await self._until_none(behind, f"{kind.secret}: the old one is still accepted by")

    async def _until_none(self, who_is_behind: Callable[[], Awaitable[list[str]]], what: str) -> None:
        """Wait until nobody is behind.

        Raises:
            NotTakenUp: somebody is, for too long. Nothing was taken from them.
        """
        end = self._clock() + self._take_up
        while behind := await who_is_behind():
            if self._clock() >= end:
                raise NotTakenUp(
                    f"{what} {', '.join(behind)}.",
                    hint="See what their logs say; then run again, and it goes on from here.",
                )
            await anyio.sleep(_LOOK_EVERY_SECONDS)

    async def _behind(self, kind: Kind, good: Callable[[Report], bool]) -> list[str]:
        """Return the instances that do not say of this secret what is wanted."""
        if not kind.is_held:
            return []
        reports = await self._holdings.reports(since=self._clock() - SILENT_AFTER)
        said = {report.instance: report for report in reports if report.holding.secret is kind.secret}
        everyone = sorted({report.instance for report in reports})
        return [name for name in everyone if name not in said or not good(said[name])]


def worst(results: Sequence[Result]) -> GatewayError | None:
    """Return the fault that somebody must look at first: one of integrity, before those that pass by themselves."""
    faults = [result.fault for result in results if result.fault]
    return next((fault for fault in faults if isinstance(fault, IntegrityError)), faults[0] if faults else None)
