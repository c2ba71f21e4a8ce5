"""What the environment tells the client. Its only reader of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from gateway.errors import InvalidConfiguration

_FALSE = frozenset({"", "0", "false", "no"})


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that the client honours; each is None where it is unset or empty.

    >>> Environment.read({"GATEWAY_URL": "https://gateway.example", "GATEWAY_TOKEN": "secret"}).url
    'https://gateway.example'
    """

    url: str | None = None
    """`GATEWAY_URL`."""
    token: str | None = field(default=None, repr=False)
    """`GATEWAY_TOKEN`: a gateway token that somebody else got."""
    profile: str | None = None
    """`GATEWAY_PROFILE`: which of the logins that `gateway login` keeps."""
    workload_token_file: str | None = None
    """`GATEWAY_WORKLOAD_TOKEN_FILE`: where the job's platform keeps a token of its own for it."""
    workload_token: str | None = field(default=None, repr=False)
    """`GATEWAY_WORKLOAD_TOKEN`: that token itself, as GitLab CI's `id_tokens` set it."""
    workload_audience: str | None = None
    """`GATEWAY_WORKLOAD_AUDIENCE`: for whom to ask the platform for a token, if not for the gateway's URL."""
    dpop: bool = False
    """`GATEWAY_DPOP`: whether a job's tokens are bound to a key."""
    cache: str | None = None
    """`GATEWAY_CACHE`: the folder of the cache on disk that is read through; none where it is unset."""
    cache_bytes: int | None = None
    """`GATEWAY_CACHE_BYTES`: how large that may become."""
    github_url: str | None = None
    """`ACTIONS_ID_TOKEN_REQUEST_URL`, which GitHub Actions sets."""
    github_token: str | None = field(default=None, repr=False)
    """`ACTIONS_ID_TOKEN_REQUEST_TOKEN`, which GitHub Actions sets."""

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Return what is set."""
        return cls(
            url=variables.get("GATEWAY_URL") or None,
            token=variables.get("GATEWAY_TOKEN") or None,
            profile=variables.get("GATEWAY_PROFILE") or None,
            workload_token_file=variables.get("GATEWAY_WORKLOAD_TOKEN_FILE") or None,
            workload_token=variables.get("GATEWAY_WORKLOAD_TOKEN") or None,
            workload_audience=variables.get("GATEWAY_WORKLOAD_AUDIENCE") or None,
            dpop=variables.get("GATEWAY_DPOP", "").lower() not in _FALSE,
            cache=variables.get("GATEWAY_CACHE") or None,
            cache_bytes=_size(variables.get("GATEWAY_CACHE_BYTES", "")),
            github_url=variables.get("ACTIONS_ID_TOKEN_REQUEST_URL") or None,
            github_token=variables.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN") or None,
        )


def _size(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal()):
        raise InvalidConfiguration(f"GATEWAY_CACHE_BYTES is {text[:40]!r}.", hint="Write a number of bytes.")
    return int(text) if text else None
