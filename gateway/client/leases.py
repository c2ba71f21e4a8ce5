"""Leases: leave to renew links for as long as a job runs. Whoever holds one passes its id to `Gateway(lease=…)`."""

from collections.abc import Iterable
from urllib.parse import quote

from gateway.client import answers
from gateway.client.answers import LeaseInfo
from gateway.client.connection import Connection
from gateway.model import ResourceName


class Leases:
    """The leases that we may see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, resources: Iterable[str | ResourceName], *, purpose: str, ttl_seconds: int) -> LeaseInfo:
        """Take a lease: links to these datasets and models may be renewed under it, by us alone, until it ends."""
        names = [str(one if isinstance(one, ResourceName) else ResourceName.parse(one)) for one in resources]
        body = {"resources": names, "purpose": purpose, "ttl_seconds": ttl_seconds}
        found = self._connection.post("/v1/leases", body, repeatable=False)
        return answers.read(answers.lease, found, self._connection.url)

    def list(self) -> tuple[LeaseInfo, ...]:
        """Return those that are in force."""
        return answers.read(answers.leases, self._connection.get("/v1/leases"), self._connection.url)

    def revoke(self, lease_id: str) -> None:
        """End a lease, and every stream link that was issued under it."""
        self._connection.delete(f"/v1/leases/{quote(lease_id, safe='')}")
