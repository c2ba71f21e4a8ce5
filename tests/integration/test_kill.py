"""The server killed at random instants under load: what a client was told is in the journal, and the journal verifies.

`./scripts/faults` makes the long run of a hundred kills; ten are enough to notice on every change.
"""

import os
import random
import signal
import threading
import time

import httpx
import pytest

from gateway.audit.evidence import verify_signed
from gateway.audit.segments import read_lines
from gateway.audit.tree import Tree

KILLS = int(os.environ.get("GATEWAY_TEST_KILLS", "10"))
CLIENTS = 8

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120 + 20 * KILLS)]


class Load:
    """Clients that ask without pause, and remember every answer that reached them whole."""

    def __init__(self, served, name, tokens):
        self.answered = []
        """(request id, status)"""
        self._served, self._name, self._tokens = served, name, tokens
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number):
        questions = [
            ("ada", "POST", f"/v1/{self._name}/versions/v1/links", {"paths": ["a", "b"], "mode": "direct"}),
            ("ada", "GET", f"/v1/{self._name}/versions/v1/files", None),
            ("ivan", "POST", f"/v1/{self._name}/versions/v1/links", {"paths": ["a"]}),
            ("ada", "POST", f"/v1/{self._name}/versions/v1/links", {"paths": ["b"], "mode": "stream"}),
        ]
        with httpx.Client(base_url=self._served.url, trust_env=False, timeout=10) as client:
            while not self._over.is_set():
                who, method, path, body = questions[number % len(questions)]
                number += 1
                try:
                    answer = client.request(
                        method, path, json=body, headers={"authorization": f"Bearer {self._tokens[who]}"}
                    )
                except httpx.TransportError:
                    time.sleep(0.02)  # it was killed
                    continue
                self.answered.append((answer.headers["x-request-id"], answer.status_code))


def correlations(served):
    return [record.read_event()["metadata"].get("correlation_uid") for record in served.records()]


def test_whatever_a_client_was_answered_is_in_a_journal_that_verifies(start_gateway, sdk, token_for, name, folder):
    chance = random.Random(8)  # noqa: S311  # instants, not secrets
    served = start_gateway({"audit": {"checkpoint_interval": 0.5}})
    sdk("ada", served).push(folder({"a": b"one", "b": b"two"}), name)
    tokens = {who: token_for(served, who) for who in ("ada", "ivan")}
    answered = []
    for _ in range(KILLS):
        with Load(served, name, tokens) as load:
            time.sleep(chance.uniform(0.05, 1.5))
            os.kill(served.process.pid, signal.SIGKILL)
        answered += load.answered
        served = start_gateway.again(served)
    served.process.stop()

    told = set(correlations(served))
    lost = [(request_id, status) for request_id, status in answered if request_id not in told]
    assert lost == []
    assert {status for _, status in answered} == {200, 403}
    assert len(answered) > 10 * KILLS
    print(f"{KILLS} kills, {len(answered)} answers, {len(served.records())} records")  # noqa: T201  # the long run is read

    journal = served.folder / "audit/gateway-1"
    tree = Tree(journal / "tree")
    evidence = verify_signed(
        read_lines(journal),
        notes=tree.notes(),
        keys=tree.keys(),
        leaves=lambda size, start: tree.leaves(size, start=start),
        instance="gateway-1",
    )
    assert evidence.covered == evidence.report.count
    starts = [record for record in served.records() if record.read_event()["activity_name"] == "Start"]
    assert len(starts) == KILLS + 1
