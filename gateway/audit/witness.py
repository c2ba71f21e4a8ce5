"""Asks a witness to cosign checkpoints (C2SP tlog-witness): a stranger who sees it if the log shows two faces."""

import base64
import re
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus

import httpx
from anyio import fail_after, to_thread

from gateway.audit.cosignature import WitnessKey, read_cosignatures
from gateway.audit.merkle import Hash, NodeSource, consistency_path
from gateway.audit.note import ID_BYTES, split_note
from gateway.errors import InvalidConfiguration, InvalidProof, WitnessUnavailable
from gateway.settings import WitnessSettings

_MAX_ANSWER_BYTES = 1 << 14
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,15})\n")
_TRIES = 2
"""The first tells how far the witness has come; the second goes on from there."""


class Witness:
    """One witness of one log.

    Args:
        key: The witness's.
        url: Its submission prefix.
        timeout: How long it may take.
    """

    def __init__(self, key: WitnessKey, url: str, *, timeout: timedelta) -> None:
        self.key = key
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._http = httpx.AsyncClient(timeout=timeout.total_seconds(), follow_redirects=False, trust_env=False)
        self._timeout = timeout
        self._seen = 0
        """How many records the witness has cosigned, as far as we know."""

    async def cosign(self, note: bytes, size: int, node: NodeSource) -> str:
        """Return the witness's signature line under a checkpoint over `size` records.

        Raises:
            WitnessUnavailable: it does not answer, or refuses.
            InvalidProof: it has seen more of this log than there is, or what it answers is no cosignature.
        """
        try:
            with fail_after(self._timeout.total_seconds()):
                return await self._add(note, size, node)
        except (httpx.HTTPError, TimeoutError) as error:
            kind = type(error).__name__
            raise WitnessUnavailable(f"The witness {self.key.name} does not answer ({kind}).") from error

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _add(self, note: bytes, size: int, node: NodeSource) -> str:
        for _ in range(_TRIES):
            path = await to_thread.run_sync(consistency_path, self._seen, size, node)
            status, answer = await self._post(add_checkpoint(self._seen, path, note))
            if status == HTTPStatus.OK:
                line = self._own_line(note, answer)
                self._seen = size
                return line
            if status != HTTPStatus.CONFLICT:
                break
            self._go_on_from(answer, size)
        raise WitnessUnavailable(f"The witness {self.key.name} answers {status}.")

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        async with self._http.stream("POST", self._url, content=body) as response:
            answer = b""
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > _MAX_ANSWER_BYTES:
                    raise InvalidProof(f"The witness {self.key.name} answers at more length than a cosignature.")
            return response.status_code, answer

    def _own_line(self, note: bytes, answer: bytes) -> str:
        """Return the line by which this witness, and no other key, has signed the note."""
        text, _ = split_note(note)
        cosigned = f"{text}\n".encode() + answer
        if not read_cosignatures(cosigned, [self.key]):
            raise InvalidProof(f"The witness {self.key.name} answers with no signature of its own.")
        ours = (self.key.name, self.key.id)
        _, signatures = split_note(cosigned)
        data = next(data for name, data in signatures if (name, data[:ID_BYTES]) == ours)
        return f"— {self.key.name} {base64.b64encode(data).decode()}\n"

    def _go_on_from(self, answer: bytes, size: int) -> None:
        found = _SIZE.fullmatch(answer)
        seen = int(found[1]) if found else -1
        if seen > size:
            raise InvalidProof(
                f"The witness {self.key.name} has cosigned {seen} records of this log, which has {size}.",
                hint="Either the journal was rolled back, or two gateways have one identity.",
            )
        if seen < 0 or seen == self._seen:
            raise InvalidProof(f"The witness {self.key.name} has cosigned another tree of {self._seen} records.")
        self._seen = seen


def add_checkpoint(old: int, path: Sequence[Hash], note: bytes) -> bytes:
    """Return the body of an add-checkpoint request.

    >>> add_checkpoint(0, [], b"...").splitlines()
    [b'old 0', b'', b'...']
    """
    hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in path)
    return f"old {old}\n{hashes}\n".encode() + note


def witnesses_of(settings: Sequence[WitnessSettings]) -> list[Witness]:
    """Return the witnesses of the settings.

    Raises:
        InvalidConfiguration: a key is none, or two witnesses have one name.
    """
    try:
        found = [Witness(WitnessKey.parse(one.key), one.url, timeout=one.timeout) for one in settings]
    except InvalidProof as error:
        raise InvalidConfiguration(f"A witness's key is none. {error.message}", hint=error.hint) from error
    if len({one.key.name for one in found}) < len(found):
        raise InvalidConfiguration("Two witnesses have one name.", hint="Each needs a key of its own.")
    return found
