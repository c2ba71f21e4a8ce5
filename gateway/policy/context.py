"""The condition keys: what policies may ask about a caller and a request. One pure function computes them all.

`policies/README.md` documents each. A fact that is not known is a key that is not there, never an empty string.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from gateway.model import Principal, PrincipalKind
from gateway.policy.template import fold
from gateway.policy.values import address

Facts = Mapping[str, str | tuple[str, ...]]


def context_of(
    principal: Principal, *, now: datetime, source_ip: str = "", secure: bool, extra: Facts | None = None
) -> dict[str, str | tuple[str, ...]]:
    """Return the keys and values that conditions see.

    `source_ip` is the caller's, from trusted proxies only. `extra` has the keys of this one request, by their names:
    `gateway:LinkMode`, `gateway:LinkTtl`, `gateway:Purpose`, `gateway:ResourceTag/…`.

    >>> from datetime import UTC, datetime
    >>> ada = Principal("people", "1", PrincipalKind.USER, "ada")
    >>> context_of(ada, now=datetime(2030, 1, 1, tzinfo=UTC), secure=True)["aws:CurrentTime"]
    '2030-01-01T00:00:00Z'
    """
    facts: dict[str, str | tuple[str, ...]] = {
        **_claims(principal.claims),  # not kept: Python holds 1 and True for equal, policies do not
        **_standing(principal),
        "gateway:AuthAge": _age(principal.auth_time, now),
        **_moment(now.replace(microsecond=0)),
        "aws:SecureTransport": "true" if secure else "false",
        "aws:SourceIp": _source(source_ip),
        **(extra or {}),
    }
    return {key: value for key, value in facts.items() if value}


@lru_cache(maxsize=1024)
def _standing(principal: Principal) -> Facts:
    """Return what holds whatever the principal asks, and whenever."""
    return {
        **{f"aws:PrincipalTag/{name}": value for name, value in principal.tags.items()},
        **_who(principal),
        **_login(principal),
    }


def _who(principal: Principal) -> Facts:
    return {
        # A workload has no user: `${gateway:User, 'nobody'}` says what holds for it.
        "gateway:User": principal.name if principal.kind is PrincipalKind.USER else "",
        "gateway:Groups": tuple(sorted(principal.groups)),
        "gateway:Issuer": principal.issuer,
        "gateway:PrincipalKind": str(principal.kind),
    }


def _login(principal: Principal) -> Facts:
    return {
        "gateway:Acr": principal.acr or "",
        "gateway:Amr": principal.amr,
        "gateway:TokenBinding": "dpop" if principal.key_thumbprint else "bearer",
    }


def _age(since: datetime | None, now: datetime) -> str:
    return str(max(0, int((now - since).total_seconds()))) if since else ""


@lru_cache(maxsize=1)
def _moment(second: datetime) -> Facts:
    return {
        "aws:CurrentTime": second.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(second.timestamp())),
    }


@lru_cache(maxsize=1024)
def _source(source_ip: str) -> str:
    source = address(source_ip)
    return str(source) if source else ""


def _claims(claims: Mapping[str, object]) -> Facts:
    """Return `oidc:<claim>` for claims of plain values. Two that differ only in case are neither: keys have no case."""
    spellings = Counter(fold(name) for name in claims)
    return {
        f"oidc:{name}": tuple(_texts(value)) for name, value in claims.items() if spellings[fold(name)] == 1 and name
    }


def _texts(value: object) -> Iterator[str]:
    match value:
        case bool():
            yield "true" if value else "false"
        case str() | int() | float():
            yield str(value)
        case list() | tuple():
            yield from (str(item) for item in value if isinstance(item, str))
