"""Whether the parts that we need answer: each asked on its own, none waited for long."""

from collections.abc import Awaitable, Callable, Mapping

import anyio

from gateway.errors import GatewayError, InvalidPolicy, Unavailable

Check = Callable[[], Awaitable[object]]


class Health:
    """Readiness.

    Args:
        checks: for each part's name, a coroutine function that raises `GatewayError` when the part is away.
        patience: seconds that a part may take to answer.
    """

    def __init__(self, checks: Mapping[str, Check], *, patience: float = 2.0) -> None:
        self._checks = checks
        self._patience = patience

    async def report(self) -> dict[str, str]:
        """Return for each part 'ok' or what is wrong with it."""
        found: dict[str, str] = {}
        async with anyio.create_task_group() as group:
            for name, check in self._checks.items():
                group.start_soon(self._ask, name, check, found)
        return {name: found[name] for name in self._checks}

    async def _ask(self, name: str, check: Check, found: dict[str, str]) -> None:
        try:
            with anyio.fail_after(self._patience):
                await check()
            found[name] = "ok"
        except TimeoutError:
            found[name] = f"no answer in {self._patience:g} s"
        except GatewayError as error:
            found[name] = error.message if isinstance(error, Unavailable | InvalidPolicy) else error.code
