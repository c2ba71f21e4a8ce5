"""How often a person, a job or a network may ask: counted in windows, told in RateLimit headers, refused with 429.

The headers are those of the IETF's draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers).
"""

import math
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_network
from typing import Protocol

from starlette.types import Scope

from gateway.errors import TooManyRequests
from gateway.model import Principal

FOUND = "gateway.rate"
"""Where in a request's scope its newest count is: (name, requests left, seconds left of the window)."""

_IPV6_NETWORK_BITS = 64
"""What one household or machine is given, and may choose any address in (RFC 6177)."""


class Tally(Protocol):
    """Counts in windows."""

    @property
    def seconds(self) -> float:
        """How long a window is."""

    def count(self, key: str) -> int:
        """Count one more, and return how many there were in this window."""

    def left_of_window(self) -> float:
        """Return the seconds until the next window begins."""


class Rates:
    """Limits on requests in a window.

    Args:
        tally: counts them.
        principal: how many one principal may make; 0 sets no limit.
        network: how many may come from one IPv4 address or IPv6 network, whoever sends them; 0 sets no limit.
    """

    def __init__(self, tally: Tally, *, principal: int = 0, network: int = 0) -> None:
        self._tally = tally
        self._principal = principal
        self._network = network
        named = {"principal": principal, "network": network}
        self.policy = ", ".join(f'"{name}";q={quota};w={tally.seconds:g}' for name, quota in named.items() if quota)
        """The limits as RateLimit-Policy says them; empty if there is none."""
        self.refused = dict.fromkeys(named, 0)

    def count_network(self, scope: Scope) -> None:
        """Count a request by where it comes from.

        Raises:
            TooManyRequests: there were too many.
        """
        if self._network:
            client = scope.get("client")
            self._count(scope, "network", network_of(client[0]) if client else "", self._network)

    def count_principal(self, scope: Scope, principal: Principal) -> None:
        """Count a request by who sent it.

        Raises:
            TooManyRequests: there were too many.
        """
        if self._principal:
            self._count(scope, "principal", f"{principal.issuer}/{principal.subject}", self._principal)

    def _count(self, scope: Scope, name: str, key: str, quota: int) -> None:
        left = quota - self._tally.count(f"{name} {key}")
        wait = self._tally.left_of_window()
        scope[FOUND] = (name, max(0, left), math.ceil(wait))
        if left < 0:
            self.refused[name] += 1
            whom = "You have" if name == "principal" else "Your network has"
            raise TooManyRequests(
                f"{whom} sent more than {quota:,} requests in {self._tally.seconds:g} s.",
                hint="Wait, and ask for many links in one call (POST /v1/links:batch).",
                retry_after=timedelta(seconds=math.ceil(wait)),
            )


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return what is counted as one: an IPv4 address, or the network that an IPv6 address is in.

    >>> network_of("192.0.2.7"), network_of("2001:db8::1:2")
    ('192.0.2.7', '2001:db8::/64')
    """
    if ":" not in address:
        return address
    try:
        return str(ip_network(f"{address.partition('%')[0]}/{_IPV6_NETWORK_BITS}", strict=False))
    except ValueError:
        return address
