"""Signs direct links: S3's presigned URLs, byte for byte botocore's, without a call to S3.

Keys arrive decoded and are encoded exactly once, here. Everything that stays the same within a second or a day is
computed once, because most requests to the gateway end in this module.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import SplitResult, urlsplit

from gateway.clock import Clock
from gateway.errors import InvalidConfiguration, InvalidInput, InvalidPath, StorageUnavailable
from gateway.links import sigv4
from gateway.mac import KeyedMac
from gateway.model import Link, LinkMode
from gateway.ports import Bucket, CredentialSource, StorageCredentials, always

MAX_TTL = timedelta(days=7)
"""SigV4's own limit on X-Amz-Expires; the least is a second."""
MAX_KEY_BYTES = 1024

_SECOND = timedelta(seconds=1)
_METHODS = frozenset({"GET", "HEAD", "PUT"})
"""A link reads or uploads one object. None deletes, lists or configures."""
_PLAIN_KEY = re.compile(rf"[A-Za-z0-9/_~-]{{1,{MAX_KEY_BYTES}}}")
"""Keys that encode to themselves and hold no dot, so that nothing more is to be checked: all that we make."""
_UNSAFE_KEY = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{1,2}(?:/|$)")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PARAMETER = re.compile(r"(?!x-amz-)[a-z][A-Za-z-]{0,63}")
"""S3's names for what is asked of an object, like `versionId`; the signature's own start with X-Amz-."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Life:
    """What every link of one length that was signed within one second shares."""

    expires_at: datetime
    query: str


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What every link signed within one second shares."""

    signed_at: datetime
    until: datetime
    date: str
    scope: str
    query: str
    mac: KeyedMac
    token: str = field(repr=False)
    """The parameter of a session token, or nothing."""
    ends_at: datetime | None
    """When the credentials end."""
    lives: dict[timedelta, _Life] = field(default_factory=dict)
    """Filled as lengths are asked for, and forgotten with the second."""

    @classmethod
    def make(cls, now: datetime, credentials: StorageCredentials, region: str) -> Self:
        signed_at = now.astimezone(UTC).replace(microsecond=0)
        date = signed_at.strftime("%Y%m%dT%H%M%SZ")
        scope = sigv4.credential_scope(day=date[:8], region=region)
        token = credentials.session_token
        return cls(
            signed_at=signed_at,
            until=signed_at + _SECOND,
            date=date,
            scope=scope,
            query="&".join(
                sigv4.encode_query(
                    {
                        "X-Amz-Algorithm": sigv4.ALGORITHM,
                        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
                        "X-Amz-Date": date,
                    }
                )
            ),
            token=f"&X-Amz-Security-Token={sigv4.uri_encode(token)}" if token else "",
            ends_at=credentials.expires_at,
            mac=KeyedMac(sigv4.signing_key(credentials.secret_access_key, day=date[:8], region=region)),
        )


class Presigner:
    """A `gateway.ports.LinkSigner` for one bucket. Safe to share between threads.

    Args:
        bucket: Where clients reach it.
        credentials: Who signs, or what says who does at the moment; a link never outlives them.
        clock: Gives the time of signing.

    Raises:
        InvalidConfiguration: the endpoint or the bucket's name cannot be written into a URL.
    """

    def __init__(self, bucket: Bucket, credentials: StorageCredentials | CredentialSource, *, clock: Clock) -> None:
        self._origin, self._host, self._base = _address(bucket)
        self._region = bucket.region
        self._credentials = always(credentials) if isinstance(credentials, StorageCredentials) else credentials
        self._clock = clock
        self._stamp = _Stamp.make(clock(), self._credentials(), self._region)

    def sign(
        self,
        method: str,
        key: str,
        *,
        expires_in: timedelta,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Link:
        """Return a presigned link; `headers` are signed along and must be sent, `query` stands in the URL.

        The link ends with the signer's credentials if that is sooner.

        Raises:
            InvalidPath: the key is empty, too long, or could be read as another key on the way.
            InvalidInput: the method, the life, a header or a parameter is not one that a link may have.
            StorageUnavailable: the signer's credentials have expired.
        """
        if method not in _METHODS:
            raise InvalidInput(f"{method[:20]!r} is no method of a link.", hint="Links are for GET, HEAD and PUT.")
        stamp = self._current_stamp()
        life = self._life_of(stamp, expires_in)
        path = self._base + _encode_key(key)
        signed = sigv4.sign_headers(self._host, *(headers or {}).items())
        names = f"&X-Amz-SignedHeaders={signed.names.replace(';', '%3B')}"
        # As botocore writes them, and as they are sorted for signing: ours have capitals, which come first.
        sent, canonical = f"{life.query}{names}{stamp.token}", f"{life.query}{stamp.token}{names}"
        if query:
            parameters = _encode_parameters(query)
            sent, canonical = "&".join([*parameters, sent]), "&".join([canonical, *sorted(parameters, key=_name)])
        request = sigv4.canonical_request(method, path, canonical, signed)
        text = sigv4.string_to_sign(request, date=stamp.date, scope=stamp.scope)
        signature = stamp.mac.hexdigest(text.encode())
        url = f"{self._origin}{path}?{sent}&X-Amz-Signature={signature}"
        return Link(LinkMode.DIRECT, method, url, life.expires_at, dict(signed.to_send))

    def sign_all(self, method: str, keys: Sequence[str], *, expires_in: timedelta) -> tuple[list[str], datetime]:
        """Return a URL for each key, as `sign` does, and when they all expire. What they share is made once.

        Raises:
            InvalidPath, InvalidInput, StorageUnavailable: as `sign` does.
        """
        if method not in _METHODS:
            raise InvalidInput(f"{method[:20]!r} is no method of a link.", hint="Links are for GET, HEAD and PUT.")
        stamp = self._current_stamp()
        life = self._life_of(stamp, expires_in)
        signed = sigv4.sign_headers(self._host)
        names = f"&X-Amz-SignedHeaders={signed.names}"
        request = sigv4.canonical_request(method, "\0", f"{life.query}{stamp.token}{names}", signed)
        before, _, after = request.partition("\0")  # a path holds no such character
        start, end = self._origin, f"?{life.query}{names}{stamp.token}&X-Amz-Signature="
        urls = []
        for key in keys:
            path = self._base + _encode_key(key)
            text = sigv4.string_to_sign(f"{before}{path}{after}", date=stamp.date, scope=stamp.scope)
            urls.append(f"{start}{path}{end}{stamp.mac.hexdigest(text.encode())}")
        return urls, life.expires_at

    def _current_stamp(self) -> _Stamp:
        now = self._clock()
        stamp = self._stamp
        if not stamp.signed_at <= now < stamp.until:
            # Two threads may both come here; both make the same stamp.
            stamp = self._stamp = _Stamp.make(now, self._credentials(), self._region)
        return stamp

    def _life_of(self, stamp: _Stamp, expires_in: timedelta) -> _Life:
        life = stamp.lives.get(expires_in)
        if life is None:
            seconds = self._seconds(stamp, expires_in)
            expires_at = stamp.signed_at + seconds * _SECOND
            life = stamp.lives[expires_in] = _Life(expires_at, f"{stamp.query}&X-Amz-Expires={seconds}")
        return life

    def _seconds(self, stamp: _Stamp, expires_in: timedelta) -> int:
        """Return the link's whole seconds of life, counted from the stamp as S3 counts them."""
        if not _SECOND <= expires_in <= MAX_TTL:
            raise InvalidInput("A link lives from 1 second to 7 days.")
        if stamp.ends_at is None:
            return expires_in // _SECOND
        left = min(expires_in, stamp.ends_at - stamp.signed_at)
        if left < _SECOND:
            raise StorageUnavailable("The credentials that sign links to S3 have expired.")
        return left // _SECOND


def _encode_key(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return key
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise InvalidPath("An S3 key is not valid Unicode.") from error
    if not 1 <= length <= MAX_KEY_BYTES:
        raise InvalidPath(f"An S3 key has 1 to {MAX_KEY_BYTES:,} bytes.")
    if _UNSAFE_KEY.search(key):
        # Clients resolve dot segments before they send: the URL would then name another object.
        raise InvalidPath(f"{key[:80]!r} is no S3 key of ours: it has a control character, '.' or '..'.")
    return sigv4.uri_encode(key, keep_slashes=True)


def _encode_parameters(query: Mapping[str, str]) -> list[str]:
    for name in query:
        if not _PARAMETER.fullmatch(name):
            raise InvalidInput(f"{name[:80]!r} is no parameter of an S3 object that a link may set.")
    return sigv4.encode_query(query)


def _name(parameter: str) -> str:
    # Sorted by name: as whole strings, `a-b=` would come before `a=`.
    return parameter.partition("=")[0]


def _address(bucket: Bucket) -> tuple[str, str, str]:
    """Return the URL's origin, the Host header, and the path before the key."""
    url, port = _split_origin(bucket.endpoint)
    name = url.hostname or ""
    if not name or not _BUCKET.fullmatch(bucket.name):
        raise InvalidConfiguration("The S3 endpoint has no host, or the bucket no proper name.")
    if bucket.virtual_host and ("." in bucket.name or ":" in name or name[-1].isdigit()):
        # A certificate for *.host covers no second dot, and an address has no subdomains.
        raise InvalidConfiguration(f"The bucket {bucket.name!r} cannot be a host's first label at this endpoint.")
    prefix, base = (f"{bucket.name}.", "/") if bucket.virtual_host else ("", f"/{bucket.name}/")
    host = prefix + (f"[{name}]" if ":" in name else name)
    if port not in (None, _DEFAULT_PORTS[url.scheme]):
        host = f"{host}:{port}"
    return f"{url.scheme}://{prefix}{url.netloc}", host, base


def _split_origin(endpoint: str) -> tuple[SplitResult, int | None]:
    try:
        url = urlsplit(endpoint)
        port = url.port
    except ValueError as error:
        raise InvalidConfiguration("The S3 endpoint is no URL.") from error
    more = url.path.strip("/") or url.query or url.fragment or "@" in url.netloc
    if url.scheme not in _DEFAULT_PORTS or more:
        raise InvalidConfiguration("The S3 endpoint is no origin.", hint="Write it like https://s3.example.com:9000.")
    return url, port
