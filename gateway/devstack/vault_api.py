"""Vault's HTTP API for set-up: read, write, list. What is refused raises; nothing is retried."""

from collections.abc import Mapping
from typing import Any

import httpx

from gateway.errors import VaultUnavailable

Answer = dict[str, Any]


class VaultApi:
    """One caller's view of a Vault or OpenBao server."""

    def __init__(self, address: str, *, token: str = "") -> None:
        self.address = address
        self._http = httpx.Client(
            base_url=f"{address}/v1/", headers={"X-Vault-Token": token} if token else {}, timeout=30, trust_env=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def read(self, path: str, **query: str) -> Answer | None:
        """Return the whole answer, or None where there is nothing."""
        return self._send("GET", path, query=query)

    def write(self, path: str, **data: object) -> Answer:
        """Write, and return the whole answer, which is often empty."""
        return self._send("POST", path, data) or {}

    def delete(self, path: str) -> None:
        """Delete."""
        self._send("DELETE", path)

    def _send(
        self, method: str, path: str, data: Mapping[str, object] | None = None, query: Mapping[str, str] | None = None
    ) -> Answer | None:
        try:
            response = self._http.request(method, path, json=data, params=query)
        except httpx.TransportError as error:
            raise VaultUnavailable(f"Vault at {self.address} does not answer.") from error
        if method == "GET" and response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_error:
            raise VaultUnavailable(f"Vault refused {method} {path}: {response.status_code} {_reasons(response)}.")
        answer: Answer = response.json() if response.content else {}
        return answer


def _reasons(response: httpx.Response) -> str:
    try:
        return "; ".join(response.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return "without a reason"
