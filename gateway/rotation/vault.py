"""Vault as whoever replaces secrets sees it: paths that are read and written, with a login of its own.

Every write here may safely be made again, and is, while Vault is away: a rotation outlives a Vault that is sealed.
"""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import hvac
from anyio import sleep, to_thread
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized

from gateway.clock import Clock
from gateway.errors import VaultRefused, VaultUnavailable
from gateway.keys.vault_session import Session
from gateway.settings import VaultSettings

Data = dict[str, Any]
_T = TypeVar("_T")

_PAUSE_SECONDS = 0.5
_REFUSALS = (Forbidden, InvalidPath, InvalidRequest, Unauthorized)
"""Of our login, or of what it asks for: to ask again would not help."""


class RotationVault:
    """Vault, logged in. Close it at the end.

    Args:
        settings: Where it is and who we are.
        clock: The time.
        patience: How long a Vault that is away or sealed is asked again.
    """

    def __init__(self, settings: VaultSettings, clock: Clock, *, patience: timedelta) -> None:
        self._session = Session(settings, clock)
        self._patience = patience.total_seconds()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    async def read(self, path: str) -> Data | None:
        """Return the data at a path; None where there is nothing.

        Raises:
            VaultUnavailable: Vault is away for longer than our patience, or refuses our login.
        """
        return await self._ask(lambda client: _data(client.read(path)))

    async def list(self, path: str) -> list[str]:
        """Return the names below a path. Raises as `read`."""
        found = await self._ask(lambda client: _data(client.list(path)))
        return list(found["keys"]) if found else []

    async def write(self, path: str, data: Mapping[str, object]) -> Data:
        """Write, and return the answer's data, which is often empty.

        Raises:
            VaultRefused: Vault says no to what was asked.
            VaultUnavailable: as `read`.
        """
        return await self._ask(lambda client: _data(client.write_data(path, data=dict(data)))) or {}

    async def refuses(self, path: str, data: Mapping[str, object]) -> bool:
        """Tell whether Vault says no to what was asked. Raises `VaultUnavailable` if it cannot be asked."""
        try:
            await self.write(path, data)
        except VaultRefused:
            return True
        return False

    async def delete(self, path: str) -> None:
        """Delete what is at a path. Raises as `read`."""
        await self._ask(lambda client: client.delete(path))

    async def _ask(self, request: Callable[[hvac.Client], _T]) -> _T | None:
        end = time.monotonic() + self._patience
        while True:
            try:
                return await to_thread.run_sync(self._session.call, request)
            except InvalidPath:
                return None
            except InvalidRequest as error:
                raise VaultRefused(f"Vault says: {'; '.join(map(str, error.errors or ()))[:200] or 'no'}.") from error
            except VaultUnavailable as error:
                if isinstance(error.__cause__, _REFUSALS) or time.monotonic() >= end:
                    raise
            await sleep(_PAUSE_SECONDS)


def _data(answer: Any) -> Data | None:  # noqa: ANN401 -- a dict, a response of `requests`, or nothing, as the API has it
    return (answer.get("data") or {}) if isinstance(answer, dict) else None
