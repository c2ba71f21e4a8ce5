"""Vault and OpenBao, through hvac. The only module that imports it. Keys are used there and never leave."""

import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import hvac
import requests
from anyio import to_thread
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultDown, VaultError
from requests.adapters import HTTPAdapter

from gateway.clock import Clock
from gateway.errors import IntegrityError, VaultUnavailable
from gateway.ports import NewDataKey, SigningKey
from gateway.settings import VaultSettings

TOKENS_KEY = "gateway-tokens"
CHECKPOINTS_KEY = "gateway-checkpoints"
_TRY_AGAIN = "Try again; see if Vault is up, and can be reached."
_RENEW_AFTER = 0.5
"""The part of a lease after which it is renewed; the other half is for trying again."""
_CONNECTIONS = 40
"""As many as anyio has worker threads by default."""

_T = TypeVar("_T")
_Json = dict[str, Any]


class _Session:
    """A login that stays alive. Called from many threads."""

    def __init__(self, settings: VaultSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._lease_end = self._renew_at = datetime.min.replace(tzinfo=clock().tzinfo)
        self._http = requests.Session()
        self._http.trust_env = False  # proxies and CA bundles come from our settings, not from the environment
        self._http.max_redirects = 0  # a redirect could carry the token elsewhere
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=_CONNECTIONS, pool_block=True))
        self._client = hvac.Client(
            url=settings.address,
            token="",  # else hvac would look for one in the environment and the home directory
            verify=str(settings.ca_file) if settings.ca_file else True,
            timeout=settings.timeout.total_seconds(),
            namespace=settings.namespace,
            session=self._http,
        )

    def call(self, request: Callable[[hvac.Client], _T]) -> _T:
        """Make one request, logged in. Raises `VaultUnavailable`, and hvac's `InvalidRequest` and `InvalidPath`."""
        with self._foreign_errors():
            token = self._valid_token()
            try:
                return request(self._client)
            except Forbidden:
                # Revoked, or gone with a restored Vault, before its lease was over: worth one new login.
                self._log_in(instead_of=token)
                return request(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _valid_token(self) -> str:
        now = self._clock()
        if now >= self._lease_end:
            self._log_in(instead_of=self._client.token)
        elif now >= self._renew_at:
            self._renew()
        return str(self._client.token)

    def _log_in(self, *, instead_of: str) -> None:
        with self._lock:
            if self._client.token != instead_of:
                return  # another thread has logged in meanwhile
            try:
                answer = self._client.auth.approle.login(
                    role_id=_read_secret(self._settings.role_id_file),
                    secret_id=_read_secret(self._settings.secret_id_file),
                    mount_point=self._settings.auth_mount,
                    use_token=False,
                )
            except (InvalidRequest, InvalidPath, Forbidden) as error:
                raise VaultUnavailable(
                    f"Vault at {self._settings.address} refuses the gateway's login.",
                    hint=f"Issue a new one into {self._settings.role_id_file.parent} with infra/vault/setup.",
                ) from error
            self._client.token = answer["auth"]["client_token"]
            self._keep(answer)

    def _renew(self) -> None:
        with self._lock:
            # Others go on with the token meanwhile. Should this fail, there is the lease's end, and the first 403.
            self._renew_at = self._lease_end
            try:
                self._keep(self._client.auth.token.renew_self())
            except (VaultError, requests.RequestException):
                return  # the token is good for now; the request that follows will tell

    def _keep(self, answer: _Json) -> None:
        lease = timedelta(seconds=answer["auth"]["lease_duration"])
        now = self._clock()
        self._lease_end, self._renew_at = now + lease, now + lease * _RENEW_AFTER

    @contextmanager
    def _foreign_errors(self) -> Iterator[None]:
        where = f"Vault at {self._settings.address}"
        try:
            yield
        except (InvalidRequest, InvalidPath):
            raise  # says something about a key; its caller knows what
        except VaultDown as error:
            raise VaultUnavailable(f"{where} is sealed.", hint="An operator must unseal it.") from error
        except Forbidden as error:
            raise VaultUnavailable(f"{where} refuses the gateway.", hint="Run infra/vault/setup again.") from error
        except VaultError as error:
            raise VaultUnavailable(f"{where} failed: {type(error).__name__}.", hint=_TRY_AGAIN) from error
        except requests.RequestException as error:
            raise VaultUnavailable(f"{where} does not answer: {type(error).__name__}.", hint=_TRY_AGAIN) from error


class TransitVault:
    """`KeyVault`, `TokenSigner` and `CheckpointSigner` on the transit engine. Close it at the end."""

    def __init__(self, settings: VaultSettings, clock: Clock) -> None:
        self._session = _Session(settings, clock)
        self._mount = settings.transit_mount

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    async def check(self) -> None:
        """Raise `VaultUnavailable` unless Vault answers, is unsealed, and lets us use our keys."""
        await self.public_keys()

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
        await self._call("rotate_key", name=kek)
        answer = await self._call("read_key", name=kek)
        return int(answer["latest_version"])

    async def public_keys(self) -> Sequence[SigningKey]:
        """Return every version that may still verify, newest last."""
        answer = await self._call("read_key", name=TOKENS_KEY)
        versions = sorted(int(number) for number in answer["keys"])
        return [
            SigningKey(_key_id(number), answer["keys"][str(number)]["public_key"])
            for number in versions
            if number >= answer["min_decryption_version"]
        ]

    async def sign(self, message: bytes) -> tuple[str, bytes]:
        """Return the key id and the 64-byte raw signature (r || s) of `message`."""
        answer = await self._call(
            "sign_data",
            name=TOKENS_KEY,
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

    async def _call(self, operation: str, *, name: str, **arguments: object) -> _Json:
        """Run one operation of hvac's transit API in a worker thread and return the answer's data."""

        def request(client: hvac.Client) -> _Json:
            method = getattr(client.secrets.transit, operation)
            answer = method(name=name, mount_point=self._mount, **arguments)
            # Some operations answer 204 without a body, and which ones differs between Vault and OpenBao.
            return answer["data"] if isinstance(answer, dict) else {}

        try:
            return await to_thread.run_sync(self._session.call, request)
        except (InvalidRequest, InvalidPath) as error:
            raise IntegrityError(
                f"Vault's key {name} is missing, or does not open what was given to it.",
                hint="Is this the Vault that the data was written with, and does the key still exist?",
            ) from error


def _key_id(version: int) -> str:
    return f"{TOKENS_KEY}-{version}"


def _read_secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise VaultUnavailable(f"{file}, half of the gateway's login to Vault, cannot be read.") from error
