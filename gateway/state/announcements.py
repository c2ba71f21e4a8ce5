"""What instances tell each other at once, over Redis, so that nobody has to find it out from the database first.

An announcement may be lost: Redis may be away, slow or emptied. So it only ever brings forward what would be found out
anyway, or spares the database a question whose answer is no. It is never waited for.
"""

import asyncio
import json
import logging
import random
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

log = logging.getLogger(__name__)

CHANNEL = "gateway:announcements:1"
"""The number is the format's. Gateways of another format do not hear us, nor we them."""
MAX_WAITING = 1000
"""Announcements that wait to be sent; the oldest goes for the newest."""
MAX_CHARS = 1000
"""Of one announcement, as it travels; longer ones are not ours."""
SILENCE = timedelta(seconds=2)
"""After so much silence Redis is asked for a sign of life, and after twice as much it counts as away."""

_PAUSES = (0.1, 3.0)
"""Seconds before the next attempt, the first and the longest."""

_UNTIL_CANCELLED_AGAIN = timedelta(milliseconds=200)

Heard = Callable[[str], None]


class Announcements:
    """One instance's ear and voice.

    Args:
        client: Redis.
        channel: Whom we hear, and who hears us.
    """

    def __init__(self, client: "Redis", *, channel: str = CHANNEL) -> None:
        self._client = client
        self._channel = channel
        self._ourselves = secrets.token_hex(8)
        self._listeners: dict[str, Heard] = {}
        self._missed: list[Callable[[], None]] = []
        self._waiting: deque[str] = deque(maxlen=MAX_WAITING)
        self._something = asyncio.Event()
        self.connected = False
        """Whether we hear the others at this moment."""

    def listen(self, topic: str, heard: Heard, *, missed: Callable[[], None] | None = None) -> None:
        """Call `heard` with each text of other instances on this topic.

        `missed` is called whenever we begin to hear again: something may have been said meanwhile.
        """
        self._listeners[topic] = heard
        if missed is not None:
            self._missed.append(missed)

    def tell(self, topic: str, text: str = "") -> None:
        """Tell the other instances, soon, and if Redis is there."""
        self._waiting.append(json.dumps([self._ourselves, topic, text]))
        self._something.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hear and tell until the end."""
        tasks = [asyncio.create_task(self._keep_on(work)) for work in (self._hear_all, self._tell_all)]
        try:
            yield
        finally:
            # Again and again: while it connects, the driver takes a cancellation for a failure, and we would go on.
            while tasks := [task for task in tasks if not task.done()]:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=_UNTIL_CANCELLED_AGAIN.total_seconds())

    async def _keep_on(self, work: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        """Do the work again and again, more slowly while it fails."""
        shortest, longest = _PAUSES
        pause, was_well = shortest, True

        def all_is_well() -> None:
            nonlocal pause, was_well
            pause, was_well = shortest, True

        while True:
            try:
                await work(all_is_well)
            except Exception as error:  # noqa: BLE001  whatever it is: without Redis, or with a broken one, we go on
                if was_well:
                    # Its first words alone: the driver's own may quote what was sent.
                    said = error.message if isinstance(error, GatewayError) else type(error).__name__
                    log.warning("Redis is away, and instances learn of each other through the database: %s", said)
                was_well = False
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  spreads load, hides nothing
            pause = min(2 * pause, longest)

    async def _hear_all(self, all_is_well: Callable[[], None]) -> None:
        async with self._client.pubsub() as ear:
            await ear.subscribe(self._channel)
            try:
                await self._hear_from(ear, all_is_well)
            finally:
                self.connected = False

    async def _hear_from(self, ear: "PubSub", all_is_well: Callable[[], None]) -> None:
        asked = False
        while True:
            message = await ear.get_message(timeout=SILENCE.total_seconds())
            if message is not None:
                asked = False
                self._hear(message, all_is_well)
            elif asked:
                raise TimeoutError
            else:
                await ear.ping()
                asked = True

    def _hear(self, message: dict[str, Any], all_is_well: Callable[[], None]) -> None:
        if message["type"] == "subscribe":
            self.connected = True
            all_is_well()
            for missed in self._missed:
                missed()
        elif message["type"] == "message":
            who, topic, text = _parse(message["data"])
            heard = self._listeners.get(topic)
            if heard is not None and who != self._ourselves:
                heard(text)

    async def _tell_all(self, all_is_well: Callable[[], None]) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                text = self._waiting.popleft()
                try:
                    await self._client.publish(self._channel, text)
                except Exception:
                    if len(self._waiting) < MAX_WAITING:
                        self._waiting.appendleft(text)
                        self._something.set()
                    raise
                all_is_well()


def _parse(data: bytes) -> tuple[str, str, str]:
    """Return who said what on which topic; nothing, on no topic, if it is not as we write it."""
    nothing = ("", "", "")
    if len(data) > MAX_CHARS:
        return nothing
    try:
        said = json.loads(data)
    except ValueError:
        return nothing
    if not isinstance(said, list) or len(said) != len(nothing) or not all(isinstance(part, str) for part in said):
        return nothing
    who, topic, text = said
    return who, topic, text
