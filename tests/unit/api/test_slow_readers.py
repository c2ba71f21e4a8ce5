"""A reader who is slow costs bounded memory, and one who leaves costs nothing more. On a real server, over sockets."""

import asyncio
import socket
from contextlib import asynccontextmanager

import anyio
import pytest
import uvicorn

pytestmark = pytest.mark.anyio

SIZE = 32 << 20
AHEAD = 8 << 20
"""More than the buffers of loopback's two sockets, of the server and of one chunk of S3's come to."""


@pytest.fixture
async def large(house):
    await house.publish("dataset/vision/digits", {"large.bin": bytes(SIZE)})
    return house


@pytest.fixture
async def served(large):
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(large.app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))

    async def started():
        return server.started

    await until(started)
    large.port = listener.getsockname()[1]
    yield large
    server.should_exit = True
    await running


@asynccontextmanager
async def reading(house, url):
    """A connection that has asked for the file, and has a receive buffer of 4 KiB."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", house.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    path = "/d/" + url.rpartition("/")[2]
    writer.write(f"GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def until(holds):
    with anyio.fail_after(10):
        while not await holds():  # noqa: ASYNC110 -- a server tells nobody that it has freed something
            await anyio.sleep(0.02)


async def test_one_byte_a_second_holds_the_source_back(served):
    url = await served.stream_link(path="large.bin")
    async with reading(served, url) as (reader, _):
        for _ in range(3):
            assert len(await reader.readexactly(1)) == 1
            await anyio.sleep(1)
        assert served.objects.read < AHEAD
        assert served.objects.open == 1


async def test_a_reader_who_leaves_frees_everything_and_what_left_is_recorded(served):
    url = await served.stream_link(path="large.bin")
    before = len(asyncio.all_tasks())
    async with reading(served, url) as (reader, _):
        await reader.readexactly(1 << 20)
        assert served.objects.open == 1

    async def freed():
        return served.objects.open == 0 and len(asyncio.all_tasks()) <= before

    await until(freed)
    assert served.objects.read < SIZE
    last = (await served.events())[-1]
    assert 0 < last["unmapped"]["bytes_sent"] < SIZE
    assert last["class_name"] == "Datastore Activity"


async def test_many_who_leave_leave_nothing(served):
    url = await served.stream_link(path="large.bin")
    before = len(asyncio.all_tasks())

    async def come_and_go():
        async with reading(served, url) as (reader, _):
            await reader.readexactly(10)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(come_and_go)

    async def freed():
        return served.objects.open == 0 and len(asyncio.all_tasks()) <= before

    await until(freed)
    ended = [event for event in await served.events() if "unmapped" in event]
    assert len(ended) == 20
