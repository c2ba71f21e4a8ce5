"""Reads the types that conditions compare: numbers, instants, truth values, bytes and networks.

Every reader returns None for text that is not of its type. In a policy that refuses the policy; in a request the
value then equals nothing.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,64}(?:\.[0-9]{0,64})?|\.[0-9]{1,64})(?:[eE][+-]?[0-9]{1,3})?")
_EPOCH = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_YEAR = re.compile(r"[0-9]{4}")
_INSTANT = re.compile(
    r"""(?P<year>[0-9]{4}) (?:-(?P<month>[0-9]{2}) (?:-(?P<day>[0-9]{2})
        (?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}) (?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?
           (?P<zone>Z|[+-][0-9]{2}:[0-9]{2})? )? )? )?""",
    re.VERBOSE,
)
_START = datetime(1970, 1, 1, tzinfo=UTC)


def number(text: str) -> Decimal | None:
    """Read an integer or a decimal, exactly.

    >>> number("0.10") == number(".1"), number("ten")
    (True, None)
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def instant(text: str) -> int | None:
    """Read a time as nanoseconds since 1970: W3C's profile of ISO 8601, or seconds since 1970.

    Four digits are a year. A time without a zone is in UTC.

    >>> instant("2020-01-01T01:00:00+01:00") == instant("1577836800") == instant("2020")
    True
    """
    if _EPOCH.fullmatch(text) and not _YEAR.fullmatch(text):
        return int(Decimal(text) * 1_000_000_000)
    match = _INSTANT.fullmatch(text)
    if not match:
        return None
    try:
        return _nanoseconds(match)
    except ValueError:  # February 30th, an hour 24
        return None


def _nanoseconds(match: re.Match[str]) -> int:
    year, month, day = (int(match[part] or 1) for part in ("year", "month", "day"))
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    since = datetime(year, month, day, hour, minute, second, tzinfo=_zone(match["zone"] or "Z")) - _START
    seconds = since.days * 86_400 + since.seconds
    return seconds * 1_000_000_000 + int((match["fraction"] or "").ljust(9, "0"))


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def truth(text: str) -> bool | None:
    """Read true or false, in any case.

    >>> truth("True"), truth("1")
    (True, None)
    """
    return {"true": True, "false": False}.get(text.lower())


def binary(text: str) -> bytes | None:
    """Read Base64 (RFC 4648 4), in its one canonical spelling.

    >>> binary("aGk="), binary("aGl=")
    (b'hi', None)
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


@dataclass(frozen=True, slots=True)
class Network:
    """A range of addresses. One address is a range of itself alone."""

    version: int
    prefix: int
    """The fixed bits, as a number."""
    shift: int
    """How many bits are free."""
    exact: bool = True
    """Whether the free bits were written as zeros."""

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        return address.version == self.version and int(address) >> self.shift == self.prefix


@lru_cache(maxsize=4096)  # callers come back from where they were
def address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an IP address. IPv4 in its IPv6 clothes (RFC 4291 2.5.5.2) is IPv4.

    >>> address("::ffff:203.0.113.7")
    IPv4Address('203.0.113.7')
    """
    if "%" in text:  # a zone names an interface of one machine
        return None
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def network(text: str) -> Network | None:
    """Read an address, or a range in CIDR notation (RFC 4632, RFC 4291 2.3).

    >>> address("2001:db8::7") in network("2001:DB8::/32")
    True
    """
    host, slash, length = text.partition("/")
    found = address(host)
    if found is None or (slash and not re.fullmatch(r"[0-9]{1,3}", length)):
        return None
    mapped = found.version == 4 and ":" in host  # noqa: PLR2004 - IPv4
    bits = int(length) - 96 * mapped if slash else found.max_prefixlen
    if not 0 <= bits <= found.max_prefixlen:
        return None
    shift = found.max_prefixlen - bits
    return Network(found.version, int(found) >> shift, shift, int(found) >> shift << shift == int(found))
