"""What a stream link says, and its one encoding: fields with a number and a length, in ascending order.

FORMAT.md beside this module is the specification. A field that is unknown, missing, doubled, out of order or spelled
in another way than we spell it makes the whole unreadable, so that a later restriction is never passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from ipaddress import ip_network
from typing import Self

from gateway.errors import InvalidInput
from gateway.links.restrictions import UNRESTRICTED, Restrictions
from gateway.model import FileEntry, Principal, PrincipalKind, ResourceName, check_path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INTEGER_BYTES = 8
_LENGTH_BYTES = 2


class MethodClass(StrEnum):
    """What a link may be used for."""

    READ = "read"
    """GET and HEAD."""

    def allows(self, method: str) -> bool:
        """Tell whether an HTTP method is in the class.

        >>> MethodClass.READ.allows("HEAD"), MethodClass.READ.allows("PUT")
        (True, False)
        """
        return method in _METHODS[self]


_METHODS = {MethodClass.READ: frozenset({"GET", "HEAD"})}


class _Field(IntEnum):
    """The fields' numbers. Those of restrictions start at 64, and are there only where they restrict."""

    TOKEN_ID = 1
    ISSUED_AT = 2
    EXPIRES_AT = 3
    METHODS = 4
    ISSUER = 5
    SUBJECT = 6
    PRINCIPAL_KIND = 7
    PRINCIPAL_NAME = 8
    RESOURCE_ID = 9
    RESOURCE = 10
    VERSION = 11
    PATH = 12
    SIZE = 13
    SHA256 = 14
    OBJECT_ID = 15
    EPOCH = 16
    KEY_CHECK = 17
    SPAN = 64
    NETWORK = 65
    USES = 66
    KEY = 67
    LEASE = 68


_RESTRICTING = (_Field.SPAN, _Field.NETWORK, _Field.USES, _Field.KEY, _Field.LEASE)


@dataclass(frozen=True, slots=True)
class StreamGrant:
    """What is granted to whom, with all that serving it needs, so that nothing is looked up again."""

    principal: Principal
    """Of whom the link keeps issuer, subject, kind and name."""
    resource_id: str
    resource: ResourceName
    version: int
    file: FileEntry
    methods: MethodClass = MethodClass.READ
    restrictions: Restrictions = UNRESTRICTED


@dataclass(frozen=True, slots=True)
class StreamClaims:
    """A grant with its name and its life. Where `StreamLinks.open` returned it, it is verified."""

    grant: StreamGrant
    token_id: bytes
    """16 random bytes: names the link in the audit and for revoking it."""
    issued_at: datetime
    expires_at: datetime
    """The first moment at which it is no longer good."""

    def encode(self) -> bytes:
        """Return the claims' only encoding.

        Raises:
            InvalidInput: a value does not fit its field.
        """
        try:
            return b"".join(_join(field, value) for field, value in self._fields().items())
        except (ValueError, OverflowError) as error:
            raise InvalidInput("A stream link cannot carry a name or number of this grant.") from error

    def _fields(self) -> dict[_Field, bytes]:
        principal, file = self.grant.principal, self.grant.file
        return {
            _Field.TOKEN_ID: _exactly(self.token_id, 16),
            _Field.ISSUED_AT: _from_time(self.issued_at),
            _Field.EXPIRES_AT: _from_time(self.expires_at),
            _Field.METHODS: self.grant.methods.encode(),
            _Field.ISSUER: principal.issuer.encode(),
            _Field.SUBJECT: principal.subject.encode(),
            _Field.PRINCIPAL_KIND: principal.kind.encode(),
            _Field.PRINCIPAL_NAME: principal.name.encode(),
            _Field.RESOURCE_ID: _exactly(bytes.fromhex(self.grant.resource_id), 16),
            _Field.RESOURCE: str(self.grant.resource).encode(),
            _Field.VERSION: _from_integer(self.grant.version),
            _Field.PATH: file.path.encode(),
            _Field.SIZE: _from_integer(file.size),
            _Field.SHA256: _exactly(bytes.fromhex(file.sha256), 32),
            _Field.OBJECT_ID: file.object_id.encode(),
            _Field.EPOCH: _from_integer(file.epoch),
            _Field.KEY_CHECK: _exactly(bytes.fromhex(file.key_check), 16),
            **_restricting(self.grant.restrictions),
        }

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the claims that `encode` made `data` of.

        Raises:
            ValueError: it is not what `encode` makes.
        """
        try:
            claims = cls._read(dict(_split(data)))
            respelled = claims.encode()
        except (InvalidInput, KeyError, OverflowError, ValueError) as error:
            raise ValueError("The claims of a stream link are not whole.") from error
        if respelled != data:
            raise ValueError("The claims of a stream link are spelled in another way than ours.")
        return claims

    @classmethod
    def _read(cls, fields: dict[int, bytes]) -> Self:
        principal = Principal(
            issuer=fields[_Field.ISSUER].decode(),
            subject=fields[_Field.SUBJECT].decode(),
            kind=PrincipalKind(fields[_Field.PRINCIPAL_KIND].decode()),
            name=fields[_Field.PRINCIPAL_NAME].decode(),
        )
        file = FileEntry(
            path=check_path(fields[_Field.PATH].decode()),
            size=_to_integer(fields[_Field.SIZE]),
            sha256=fields[_Field.SHA256].hex(),
            object_id=fields[_Field.OBJECT_ID].decode(),
            epoch=_to_integer(fields[_Field.EPOCH]),
            key_check=fields[_Field.KEY_CHECK].hex(),
        )
        grant = StreamGrant(
            principal=principal,
            resource_id=fields[_Field.RESOURCE_ID].hex(),
            resource=ResourceName.parse(fields[_Field.RESOURCE].decode()),
            version=_to_integer(fields[_Field.VERSION]),
            file=file,
            methods=MethodClass(fields[_Field.METHODS].decode()),
            restrictions=_restrictions(fields),
        )
        return cls(
            grant=grant,
            token_id=fields[_Field.TOKEN_ID],
            issued_at=_to_time(fields[_Field.ISSUED_AT]),
            expires_at=_to_time(fields[_Field.EXPIRES_AT]),
        )


def _restricting(restrictions: Restrictions) -> dict[_Field, bytes]:
    """Return the fields of what restricts, in the order of their numbers."""
    fields: dict[_Field, bytes] = {}
    if restrictions.span is not None:
        fields[_Field.SPAN] = b"".join(map(_from_integer, restrictions.span))
    if restrictions.network is not None:
        fields[_Field.NETWORK] = str(restrictions.network).encode()
    if restrictions.uses is not None:
        fields[_Field.USES] = _from_integer(restrictions.uses)
    if restrictions.key is not None:
        fields[_Field.KEY] = _exactly(restrictions.key, 32)
    if restrictions.lease is not None:
        fields[_Field.LEASE] = _exactly(bytes.fromhex(restrictions.lease), 16)
    return fields


def _restrictions(fields: dict[int, bytes]) -> Restrictions:
    if fields.keys().isdisjoint(_RESTRICTING):
        return UNRESTRICTED
    span, network, uses, key, lease = (fields.get(field) for field in _RESTRICTING)
    return Restrictions(
        span=(_to_integer(span[:_INTEGER_BYTES]), _to_integer(span[_INTEGER_BYTES:])) if span is not None else None,
        network=ip_network(network.decode()) if network is not None else None,
        uses=_to_integer(uses) if uses is not None else None,
        key=key,
        lease=lease.hex() if lease is not None else None,
    )


def _join(field: _Field, value: bytes) -> bytes:
    return bytes((field,)) + len(value).to_bytes(_LENGTH_BYTES) + value


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each field's number and value. Doubled, unordered and cut fields show when encoded again."""
    rest = data
    while rest:
        start = 1 + _LENGTH_BYTES
        end = start + int.from_bytes(rest[1:start])
        yield rest[0], rest[start:end]
        rest = rest[end:]


def _exactly(value: bytes, length: int) -> bytes:
    if len(value) != length:
        raise ValueError("A stream link's field has another length than its own.")
    return value


def _from_integer(number: int) -> bytes:
    return number.to_bytes(_INTEGER_BYTES)


def _to_integer(value: bytes) -> int:
    return int.from_bytes(value)


def _from_time(moment: datetime) -> bytes:
    return _from_integer((moment - _EPOCH) // _MICROSECOND)


def _to_time(value: bytes) -> datetime:
    return _EPOCH + _to_integer(value) * _MICROSECOND
