"""Holds idle connections to a server, and says at the end how many of them still answer.

    python hold.py HOST PORT COUNT

Prints `held`, waits for the end of standard input, asks once on each connection, and prints how many answered.
"""

import asyncio
import sys

REQUEST = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
AT_ONCE = 200
"""Connections opened, or asked, at the same time: fewer than a listener's backlog."""

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def hold(host: str, port: int, count: int) -> int:
    """Hold `count` connections until standard input ends, and return how many still answer."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def connect() -> Pair:
        async with turns:
            return await asyncio.open_connection(host, port)

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        async with turns:
            try:
                writer.write(REQUEST)
                answered = (await reader.readline()).startswith(b"HTTP/1.1 200")
            except OSError:
                return False
            writer.close()
            return answered

    pairs = await asyncio.gather(*(connect() for _ in range(count)))
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return sum(await asyncio.gather(*(ask(*pair) for pair in pairs)))


if __name__ == "__main__":
    print(asyncio.run(hold(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
