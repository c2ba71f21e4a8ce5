"""What a stream link is narrowed to: bytes, a network, uses, a key, a lease. None of them is ever passed over."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.errors import InvalidInput, LinkRefused

MAX_USES = 1_000_000
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Restrictions:
    """All that a link asks for beside being whole and in time. A field that is None does not restrict."""

    span: tuple[int, int] | None = None
    """The bytes that may be read: the first (inclusive) and the end (exclusive)."""
    network: Network | None = None
    """Where it may be used."""
    uses: int | None = None
    """How many times it may send bytes."""
    key: bytes | None = None
    """The SHA-256 thumbprint (RFC 7638, 32 bytes) of the key that must prove possession where the link is used."""
    lease: str | None = None
    """The lease (32 hex digits) that it was issued under, and that it ends with."""

    def __post_init__(self) -> None:
        if self.span is not None and not 0 <= self.span[0] < self.span[1]:
            raise InvalidInput("A link's range has at least one byte.")
        if self.uses is not None and not 1 <= self.uses <= MAX_USES:
            raise InvalidInput(f"A link can be used 1 to {MAX_USES:,} times.")

    def check_source(self, source_ip: str) -> None:
        """Return if a request from this address may use the link.

        >>> Restrictions(network=parse_network("10.0.0.0/8")).check_source("::ffff:10.1.2.3")

        Raises:
            LinkRefused: it may not; also where we do not know the address.
        """
        if self.network is None:
            return
        address = _address(source_ip)
        if address is None or address not in self.network:
            raise LinkRefused("This link is for another network.", hint="Use it where it was asked for.")

    def check_span(self, start: int, end: int) -> None:
        """Return if the bytes `start` to `end` (exclusive) may be read.

        >>> Restrictions(span=(100, 200)).check_span(100, 150)

        Raises:
            LinkRefused: one of them may not.
        """
        if self.span is not None and not self.span[0] <= start <= end <= self.span[1]:
            first, last = self.span[0], self.span[1] - 1
            raise LinkRefused(
                f"This link is for the bytes {first} to {last} alone.", hint=f"Send 'Range: bytes={first}-{last}'."
            )


UNRESTRICTED = Restrictions()
OWN_KEY = bytes(32)
"""Stands, while a link is asked for, for the key that the caller's own token is bound to."""


def parse_network(text: str) -> Network:
    """Return the network that a CIDR block or an address names; IPv4 in IPv6 clothes is IPv4.

    >>> str(parse_network("203.0.113.7"))
    '203.0.113.7/32'

    Raises:
        InvalidInput: it names none, or has bits set behind its prefix.
    """
    try:
        found = ip_network(text)
    except ValueError as error:
        raise InvalidInput(
            f"{text[:64]!r} is no network.", hint="Write it like 10.1.0.0/16, 203.0.113.7 or 2001:db8::/32."
        ) from error
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    return ip_network((mapped, found.prefixlen - 96)) if mapped and found.prefixlen >= 96 else found  # noqa: PLR2004 - RFC 4291 2.5.5.2


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
