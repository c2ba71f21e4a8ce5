"""Bulk work on processes and on a Dask cluster on this machine, also when a worker is killed half-way."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from gateway.client.executors import each, executor
from gateway.devstack.network import free_ports
from gateway.errors import InvalidConfiguration, InvalidInput, Unavailable

SRC = str(Path(__file__).parents[3])
START = "import sys; from distributed.cli import {name}; {name}.main(standalone_mode=False)"


class Cluster:
    """A scheduler and two workers, processes of their own. They die with the test, also when that is killed."""

    def __init__(self, folder):
        (port,) = free_ports(1)
        self.url = f"tcp://127.0.0.1:{port}"
        self.folder = folder
        options = ["--no-dashboard", "--host", "127.0.0.1"]
        self.processes = [self.start("dask_scheduler", "--port", str(port), *options)]
        options += ["--nthreads", "1", "--nworkers", "1", "--no-nanny", "--local-directory", str(folder)]
        self.workers = [self.start("dask_worker", self.url, *options) for _ in range(2)]
        self.processes += self.workers

    def start(self, name, *arguments):
        tether = [sys.executable, "-m", "gateway.devstack.tether", str(os.getpid())]
        command = [*tether, sys.executable, "-c", START.format(name=name), *arguments]
        null = subprocess.DEVNULL
        environment = os.environ | {"PYTHONPATH": SRC}
        return subprocess.Popen(command, stdout=null, stderr=null, env=environment, cwd=self.folder)

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
        for process in self.processes:
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    started = Cluster(tmp_path)
    yield started
    started.stop()


def test_what_is_no_scheduler_is_refused():
    with pytest.raises(InvalidInput, match="no address of a scheduler"), executor("localhost:8786"):
        pass


def test_a_scheduler_that_is_not_there_is_said_so(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: (_ for _ in ()).throw(TimeoutError))
    with pytest.raises(Unavailable, match="No Dask scheduler"), executor("tcp://127.0.0.1:1"):
        pass


def test_without_dask_the_next_step_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InvalidConfiguration) as refused, executor("tcp://127.0.0.1:1"):
        pass
    assert "ml-data-gateway[dask]" in refused.value.hint


def test_a_worker_that_dies_is_no_answer():
    class Dead:
        _max_workers = 1

        def submit(self, work, item):
            future = Future()
            future.set_exception(BrokenProcessPool())
            return future

    with pytest.raises(Unavailable, match="worker process died"):
        list(each(Dead(), abs, [1]))


def test_items_are_taken_as_they_are_needed():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = each(pool, abs, items())
        next(results)
        assert len(taken) < 20
        results.close()


def test_failures_come_beside_what_failed():
    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(each(pool, divmod_10, [5, 0, 2]))
    assert (outcomes[5], outcomes[2]) == (2, 5)
    assert isinstance(outcomes[0], ZeroDivisionError)


def divmod_10(number):
    return 10 // number


def test_processes_of_this_machine_do_it():
    with executor(processes=2) as pool:
        assert dict(each(pool, abs, [-1, -2])) == {-1: 1, -2: 2}


def test_a_cluster_does_it_though_a_worker_is_killed_half_way(cluster):
    with executor(cluster.url) as pool:
        while len(pool._client.scheduler_info()["workers"]) < 2:
            time.sleep(0.05)
        outcomes = {}
        for item, outcome in each(pool, time.sleep, [0.02 + number / 1e6 for number in range(60)]):
            outcomes[item] = outcome
            if len(outcomes) == 20:
                os.kill(cluster.workers[0].pid, signal.SIGKILL)
    assert len(outcomes) == 60
    assert set(outcomes.values()) == {None}
