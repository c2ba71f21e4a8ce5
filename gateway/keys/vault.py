"""The transit engine of Vault and OpenBao: keys are used there and never leave.

A use of a key ends in time, whatever Vault does: each request has a time limit, and what is worth it is tried again
after a random wait, all within one patience. When Vault has failed again and again, it is left alone for a while.
"""

import asyncio
import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import hvac
from anyio import CapacityLimiter, to_thread
from hvac.exceptions import InvalidPath, InvalidRequest
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from gateway.clock import Clock
from gateway.errors import IntegrityError, VaultCircuitOpen, VaultUnavailable
from gateway.keys.circuit import Circuit, CircuitOpen
from gateway.keys.vault_session import CONNECTIONS, Session
from gateway.ports import Kek, NewDataKey, SigningKey
from gateway.settings import VaultSettings

TOKENS_KEY = "gateway-tokens"
CHECKPOINTS_KEY = "gateway-checkpoints"
_ATTEMPTS = 3

_Json = dict[str, Any]


class TransitVault:
    """`KeyVault`, `TokenSigner` and `CheckpointSigner` on the transit engine. Close it at the end."""

    def __init__(self, settings: VaultSettings, clock: Clock) -> None:
        self._session = Session(settings, clock)
        self._mount = settings.transit_mount
        self._where = f"Vault at {settings.address}"
        self._patience = settings.patience.total_seconds()
        self._circuit = Circuit(clock, counts=VaultUnavailable)
        # Its own threads: a Vault that hangs must not take those that the database and the disk need.
        self._threads = CapacityLimiter(CONNECTIONS)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    async def check(self) -> None:
        """Raise `VaultUnavailable` unless Vault answers, is unsealed, and lets us use our keys.

        Asks once, and not while the circuit is open: then it is `VaultCircuitOpen`.
        """
        try:
            await self._call("read_key", name=TOKENS_KEY, attempts=1)
        except VaultUnavailable as error:
            if not self._circuit.is_open:
                raise
            raise VaultCircuitOpen(error.message, hint=error.hint, retry_after=error.retry_after) from error

    async def login(self) -> str:
        """Take up what the login's files hold now, and return the fingerprint of what we are logged in with."""
        return await to_thread.run_sync(self._session.follow)

    async def create_kek(self, kek: str) -> None:
        """Make the KEK; nothing happens if it exists."""
        # No option is set: transit's defaults are neither exportable nor deletable.
        await self._call("create_key", name=kek, key_type="aes256-gcm96")

    async def new_data_key(self, kek: str) -> NewDataKey:
        """Generate 32 bytes and wrap them under the KEK's newest version."""
        answer = await self._call("generate_data_key", name=kek, key_type="plaintext", bits=256)
        return NewDataKey(plaintext=base64.b64decode(answer["plaintext"]), wrapped=answer["ciphertext"])

    async def unwrap(self, kek: str, wrapped: str) -> bytes:
        """Return the data key's 32 bytes. Raises `IntegrityError` if it does not open."""
        answer = await self._call("decrypt_data", name=kek, ciphertext=wrapped)
        return base64.b64decode(answer["plaintext"])

    async def rewrap(self, kek: str, wrapped: str) -> str:
        """Wrap the same data key under the KEK's newest version. Raises `IntegrityError` if it does not open."""
        answer = await self._call("rewrap_data", name=kek, ciphertext=wrapped)
        return str(answer["ciphertext"])

    async def rotate_kek(self, kek: str) -> int:
        """Add a version to the KEK and return its number."""
        await self._call("rotate_key", name=kek, attempts=1)  # may have happened, though we were not told
        answer = await self._call("read_key", name=kek)
        return int(answer["latest_version"])

    async def describe_kek(self, kek: str) -> Kek | None:
        """Return what there is to know of the KEK, if there is one."""
        try:
            answer = await self._call("read_key", name=kek)
        except IntegrityError:
            return None
        made_at = {int(number): datetime.fromtimestamp(seconds, UTC) for number, seconds in answer["keys"].items()}
        oldest = answer["min_decryption_version"]
        # Of versions that were retired and taken back, not every Vault forgets the others at once.
        return Kek(answer["latest_version"], oldest, {n: made for n, made in made_at.items() if n >= oldest})

    async def retire_kek(self, kek: str, *, before: int) -> None:
        """Let the versions before this one unwrap nothing any more; or again, where the number is lower than it was."""
        await self._call("update_key_configuration", name=kek, min_decryption_version=before)

    async def destroy_kek(self, kek: str) -> None:
        """Delete the KEK with all its versions, for good; nothing happens if it is gone."""
        if await self.describe_kek(kek) is None:
            return
        # Two steps, as Vault wants it: a key's deletion is never one mistake away.
        await self._call("update_key_configuration", name=kek, deletion_allowed=True)
        await self._call("delete_key", name=kek)

    async def public_keys(self) -> Sequence[SigningKey]:
        """Return every version that may still verify, newest last."""
        answer = await self._call("read_key", name=TOKENS_KEY)
        versions = sorted(int(number) for number in answer["keys"])
        return [
            SigningKey(_key_id(number), key["public_key"], datetime.fromisoformat(key["creation_time"]))
            for number in versions
            for key in (answer["keys"][str(number)],)
            if number >= answer["min_decryption_version"]
        ]

    async def sign(self, message: bytes, *, key_id: str = "") -> tuple[str, bytes]:
        """Return the key id and the 64-byte raw signature (r || s) of `message`, by that key or else the newest.

        Raises `IntegrityError` if that key may no longer sign.
        """
        answer = await self._call(
            "sign_data",
            name=TOKENS_KEY,
            key_version=int(key_id.removeprefix(f"{TOKENS_KEY}-") or 0),
            hash_input=base64.b64encode(message).decode(),
            hash_algorithm="sha2-256",
            marshaling_algorithm="jws",  # RFC 7518 3.4: r || s, not DER
        )
        _, version, signature = answer["signature"].split(":")
        return _key_id(int(version.removeprefix("v"))), base64.urlsafe_b64decode(signature + "==")

    async def checkpoint_keys(self) -> Sequence[bytes]:
        """Return the Ed25519 public key of every version that may still verify, newest last."""
        return list((await self._checkpoint_versions()).values())

    async def sign_checkpoint(self, message: bytes) -> tuple[bytes, bytes]:
        """Return the public key that signed, and the 64-byte signature of `message`."""
        encoded = base64.b64encode(message).decode()
        answer = await self._call("sign_data", name=CHECKPOINTS_KEY, hash_input=encoded)
        _, version, signature = answer["signature"].split(":")
        keys = await self._checkpoint_versions()
        return keys[int(version.removeprefix("v"))], base64.b64decode(signature)

    async def _checkpoint_versions(self) -> dict[int, bytes]:
        answer = await self._call("read_key", name=CHECKPOINTS_KEY)
        keys = {int(number): base64.b64decode(key["public_key"]) for number, key in answer["keys"].items()}
        return {number: keys[number] for number in sorted(keys) if number >= answer["min_decryption_version"]}

    async def _call(self, operation: str, *, name: str, attempts: int = _ATTEMPTS, **arguments: object) -> _Json:
        """Run one operation of hvac's transit API in a worker thread and return the answer's data."""

        def request(client: hvac.Client) -> _Json:
            method = getattr(client.secrets.transit, operation)
            answer = method(name=name, mount_point=self._mount, **arguments)
            # Some operations answer 204 without a body, and which ones differs between Vault and OpenBao.
            return answer["data"] if isinstance(answer, dict) else {}

        try:
            return await self._patiently(request, attempts)
        except (InvalidRequest, InvalidPath) as error:
            raise IntegrityError(
                f"Vault's key {name} is missing, or does not open what was given to it.",
                hint="Is this the Vault that the data was written with, and does the key still exist?",
            ) from error
        except CircuitOpen as error:
            raise VaultUnavailable(
                f"{self._where} has failed again and again, and is left alone for a moment.",
                hint="Try again later; the log and `gateway doctor` say what is wrong with it.",
                retry_after=error.wait,
            ) from error

    async def _patiently(self, request: Callable[[hvac.Client], _Json], attempts: int) -> _Json:
        """Make the request, and again where Vault is away, until it answers or our patience ends."""
        end = asyncio.get_running_loop().time() + self._patience
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(VaultUnavailable),
            wait=_wait,
            stop=stop_after_attempt(attempts) | stop_before_delay(self._patience),
            reraise=True,
        )
        return await retrying(self._once, request, end)

    async def _once(self, request: Callable[[hvac.Client], _Json], end: float) -> _Json:
        with self._circuit.call():
            try:
                async with asyncio.timeout_at(end):
                    # Given up, the thread ends by its own time limits.
                    return await to_thread.run_sync(
                        self._session.call, request, abandon_on_cancel=True, limiter=self._threads
                    )
            except TimeoutError as error:
                raise VaultUnavailable(
                    f"{self._where} has not answered within {self._patience:g} s.",
                    hint="Try again; see if Vault is up, and can be reached.",
                ) from error


_backoff = wait_random_exponential(multiplier=0.1, max=2)


def _wait(state: RetryCallState) -> float:
    """Return the seconds before the next attempt: at random, and no fewer than Vault asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, VaultUnavailable) else None
    return _backoff(state) + (asked.total_seconds() if asked else 0.0)


def _key_id(version: int) -> str:
    return f"{TOKENS_KEY}-{version}"
