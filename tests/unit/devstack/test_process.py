import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from gateway.devstack import network
from gateway.devstack.process import Process, answers, status_of
from gateway.errors import ProcessFailed

SOON = timedelta(seconds=20)


@pytest.fixture
def start(tmp_path):
    """Starts Python code under a name; everything is stopped at the end."""
    started = []

    def start(code, *, name="thing"):
        process = Process.start(
            name, [sys.executable, "-c", code], log=tmp_path / f"{name}.log", environment=None, folder=tmp_path
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop(grace=timedelta())


def eventually(condition):
    deadline = time.monotonic() + SOON.total_seconds()
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_program_that_ends_early_is_named_with_the_tail_of_its_log(start, tmp_path):
    process = start("print('x' * 5000); print('no such thing'); raise SystemExit(3)", name="engine")
    with pytest.raises(ProcessFailed, match=r"engine ended with exit code 3[\s\S]*no such thing$") as failure:
        process.wait_ready(lambda: False, within=SOON)
    assert len(failure.value.message) < 2200
    assert str(tmp_path / "engine.log") in failure.value.hint


def test_a_program_that_prints_nothing_has_an_empty_log(start):
    process = start("raise SystemExit(1)")
    with pytest.raises(ProcessFailed, match=r"\(empty\)"):
        process.wait_ready(lambda: False, within=SOON)


def test_a_program_that_is_never_ready_is_given_up(start):
    process = start("import time; time.sleep(60)")
    with pytest.raises(ProcessFailed, match=r"thing was not ready within 0\.1 s"):
        process.wait_ready(lambda: False, within=timedelta(seconds=0.1))


def test_a_killed_program_is_noticed(start):
    process = start("import time; time.sleep(60)")
    process.check()
    psutil.Process(process.pid).kill()
    with pytest.raises(ProcessFailed, match="thing was ended by signal 9"):
        process.wait_ready(lambda: False, within=SOON)


def test_a_program_must_be_started_from_the_main_thread(start):
    caught = []

    def attempt():
        try:
            start("pass")
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert caught == ["thing must be started from the main thread."]


def test_stop_asks_first(start, tmp_path):
    code = """
import pathlib, signal, sys, time
def bye(*_):
    print("bye", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, bye)
print("up", flush=True)
time.sleep(60)
"""
    process = start(code)
    process.wait_ready(lambda: "up" in process.log.read_text(), within=SOON)
    process.stop()
    assert process.log.read_text().split() == ["up", "bye"]
    process.stop()


def test_stop_ends_a_program_that_does_not_listen(start):
    process = start("import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)")
    process.wait_ready(lambda: "up" in process.log.read_text(), within=SOON)
    process.stop(grace=timedelta(seconds=0.1))
    with pytest.raises(ProcessFailed, match="signal 9"):
        process.check()


def test_a_program_is_in_a_session_of_its_own_so_that_ctrl_c_reaches_us_alone(start):
    process = start("import os; print(os.getsid(0) == os.getpid(), flush=True); import time; time.sleep(60)")
    process.wait_ready(lambda: process.log.read_text().strip() == "True", within=SOON)


def test_a_program_dies_with_the_process_that_started_it_however_that_dies(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from gateway.devstack.process import Process
child = Process.start("c", [sys.executable, "-c", "import time; time.sleep(60)"],
                      log=Path({str(tmp_path / "log")!r}), environment=None, folder=Path.cwd())
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        eventually(lambda: "tether" not in " ".join(child.cmdline()))
        parent.send_signal(signal.SIGKILL)
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_parent_that_died_before_the_tether_held_is_noticed():
    tether = Path(network.__file__).with_name("tether.py")
    command = [sys.executable, tether, "1", sys.executable, "-c", "print('ran')"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_url_that_nobody_serves_does_not_answer(free_port):
    assert status_of(f"http://127.0.0.1:{free_port}/") is None
    assert not answers(f"http://127.0.0.1:{free_port}/")
