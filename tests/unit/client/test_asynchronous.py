import os
import threading

import anyio
import pytest

from gateway.client import AsyncGateway
from gateway.errors import UnknownPath

NAME = "dataset/vision/digits"
SEGMENT = 1 << 20

pytestmark = pytest.mark.anyio


@pytest.fixture
async def anywhere(gateway):
    async with AsyncGateway(gateway) as opened:
        yield opened


class StopAt:
    """Cancels a scope of the event loop when a transfer has moved its first bytes."""

    def __init__(self):
        self.moving = threading.Event()
        self.go_on = threading.Event()

    def expect(self, files, size):
        pass

    def moved(self, size):
        self.moving.set()
        self.go_on.wait(10)

    def finished(self, path):
        pass


async def cancel_while_moving(transfer, listener):
    async with anyio.create_task_group() as group:
        group.start_soon(transfer)
        await anyio.to_thread.run_sync(listener.moving.wait)
        group.cancel_scope.cancel()
        listener.go_on.set()


async def test_errors_are_the_same(sim, anywhere):
    sim.publish(NAME, {"a.bin": b"x"})
    with pytest.raises(UnknownPath, match=r"b\.bin"):
        await anywhere.open(f"{NAME}/b.bin")


async def test_a_cancelled_pull_leaves_nothing_half_written(sim, anywhere, tmp_path):
    sim.publish(NAME, {"a.bin": os.urandom(3 * SEGMENT), "b.bin": os.urandom(3 * SEGMENT)})
    listener = StopAt()

    async def pull():
        await anywhere.pull(NAME, tmp_path, threads=1, progress=listener)

    await cancel_while_moving(pull, listener)
    assert not (tmp_path / "b.bin").exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gateway")]


async def test_a_cancelled_push_publishes_nothing(sim, anywhere, tmp_path):
    (tmp_path / "a.bin").write_bytes(os.urandom(3 * SEGMENT))
    listener = StopAt()

    async def push():
        await anywhere.push(tmp_path / "a.bin", NAME, progress=listener)

    await cancel_while_moving(push, listener)
    assert not sim.versions[NAME]


async def test_what_is_cancelled_before_it_begins_never_does(sim, anywhere, tmp_path):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anywhere.pull(NAME, tmp_path / "target")
    assert not (tmp_path / "target").exists()


async def test_everything_can_be_awaited(sim, anywhere, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"digits")
    report = await anywhere.push(tmp_path / "a.bin", NAME, message="first")
    assert report.version.number == 1
    assert [file.path async for file in anywhere.files(NAME)] == ["a.bin"]
    assert b"".join([piece async for piece in anywhere.read(f"{NAME}/a.bin")]) == b"digits"
    async with await anywhere.open(f"{NAME}/a.bin") as file:
        assert await file.seek(2) == 2
        assert await file.read() == b"gits"
    await anywhere.pull(NAME, tmp_path / "here")
    assert (tmp_path / "here" / "a.bin").read_bytes() == b"digits"


async def test_the_event_loop_goes_on_meanwhile(anywhere):
    called = threading.Event()

    async def release():
        called.set()

    async with anyio.create_task_group() as group:
        group.start_soon(anywhere.call, called.wait, 10)
        group.start_soon(release)
