"""Counts what the journal is given: what is recorded is what happened, so the metrics can say nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.api.metrics import Metrics
from gateway.ports import EventJournal

_API, _AUTHENTICATION = 6003, 3002
"""OCSF's classes: API Activity and Authentication."""
_FAILURE, _INTENDED = 2, 99
"""OCSF's `status_id`, and ours for what is about to be done."""


class Counted:
    """A `gateway.ports.EventJournal` that counts what is in it.

    Args:
        journal: The journal.
        metrics: Where it is counted.
    """

    def __init__(self, journal: EventJournal, metrics: Metrics) -> None:
        self._journal = journal
        self._metrics = metrics

    async def append(self, event: Mapping[str, object]) -> str:
        """Return the event's uid once it is on disk. Raises `JournalUnavailable`."""
        uid = await self._journal.append(event)
        self._count(event)
        return uid

    async def append_all(self, events: Sequence[Mapping[str, object]]) -> Sequence[str]:
        """Return the events' uids once all are on disk, in this order. Raises `JournalUnavailable`: none is."""
        uids = await self._journal.append_all(events)
        for event in events:
            self._count(event)
        return uids

    async def check(self) -> None:
        """Raise `JournalUnavailable` unless an event could be written now."""
        await self._journal.check()

    def _count(self, event: Mapping[str, Any]) -> None:
        failed = event["status_id"] == _FAILURE
        if event["class_uid"] == _AUTHENTICATION:
            self._metrics.logins.labels("refused" if failed else "granted").inc()
        elif event["class_uid"] == _API and "authorizations" in event and event["status_id"] != _INTENDED:
            self._count_decision(event, failed=failed)

    def _count_decision(self, event: Mapping[str, Any], *, failed: bool) -> None:
        action, allowed = event["api"]["operation"], event["action"] == "Allowed"
        self._metrics.decisions.labels(action, "allow" if allowed else "deny").inc()
        if failed:
            if allowed:
                self._metrics.failures.labels(action).inc()
            return
        facts = event["api"].get("response", {}).get("data", {})
        if "links" in facts:
            self._metrics.links.labels("batch").inc(int(facts["links"]))
        elif facts.get("mode") in {"direct", "stream"}:
            self._metrics.links.labels(facts["mode"]).inc()
