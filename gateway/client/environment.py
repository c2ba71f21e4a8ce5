"""What the environment tells the client. Its only reader of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that the client honours; each is None where it is unset or empty.

    >>> Environment.read({"GATEWAY_URL": "https://gateway.example", "GATEWAY_TOKEN": "secret"})
    Environment(url='https://gateway.example', profile=None, workload_token_file=None)
    """

    url: str | None
    """`GATEWAY_URL`."""
    token: str | None = field(repr=False)
    """`GATEWAY_TOKEN`: a gateway token that somebody else got."""
    profile: str | None
    """`GATEWAY_PROFILE`: which of the logins that `gateway login` keeps."""
    workload_token_file: str | None = None
    """`GATEWAY_WORKLOAD_TOKEN_FILE`: where the job's platform keeps a token of its own for it."""

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Return what is set."""
        names = ("URL", "TOKEN", "PROFILE", "WORKLOAD_TOKEN_FILE")
        return cls(*(variables.get(f"GATEWAY_{name}") or None for name in names))
