"""Verifies the tokens of the issuers in our settings, and of nobody else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import httpx

from gateway.clock import Clock
from gateway.errors import AlgorithmRefused, InvalidClaim, InvalidConfiguration, InvalidToken, UnknownIssuer
from gateway.identity.claims import check_age, check_claims, is_for
from gateway.identity.discovery import KeyDiscovery
from gateway.identity.jws import SignedToken, verify_signature
from gateway.identity.key_cache import Freshness, KeyCache
from gateway.identity.kinds import check_access_token, check_kind
from gateway.identity.mapping import map_principal, matches
from gateway.identity.strength import check_binding, check_login
from gateway.model import Principal
from gateway.settings import IssuerSettings, TokenKind

SUBJECT_TOKENS = frozenset({TokenKind.ID_TOKEN, TokenKind.WORKLOAD})
ACCESS_TOKENS = frozenset({TokenKind.ACCESS_TOKEN})


@dataclass(frozen=True, slots=True)
class _Issuer:
    name: str
    keys: KeyCache
    settings: tuple[IssuerSettings, ...]
    """All that are about it, in the file's order."""


class Issuers:
    """Every issuer that we trust."""

    def __init__(
        self,
        settings: Sequence[IssuerSettings],
        client: httpx.AsyncClient,
        clock: Clock,
        *,
        development: bool = False,
        freshness: Freshness | None = None,
    ) -> None:
        self._clock = clock
        self._by_url: dict[str, _Issuer] = {}
        _check_aliases(settings)
        for url in dict.fromkeys(one.issuer for one in settings):
            about = tuple(one for one in settings if one.issuer == url)
            _check_reachable(about)
            discovery = KeyDiscovery(url, client, development=development)
            keys = KeyCache(f"The issuer {about[0].alias}", discovery.fetch, clock=clock, freshness=freshness)
            self._by_url[url] = _Issuer(url, keys, about)

    async def verify_subject_token(self, text: str) -> Principal:
        """Return who an ID token or a workload token speaks of.

        Raises:
            Unauthenticated: one of its kinds, which says what was expected.
            IssuerUnavailable: the issuer's keys cannot be had.
        """
        return await self.verify(SignedToken.parse(text), SUBJECT_TOKENS)

    async def verify(self, token: SignedToken, expected: Collection[TokenKind]) -> Principal:
        """Return who a token of one of these kinds speaks of.

        Raises:
            Unauthenticated: one of its kinds, which says what was expected.
            IssuerUnavailable: the issuer's keys cannot be had.
        """
        # 1. The issuer by its exact name: nothing is fetched for a stranger. Then the settings about this token.
        issuer = self._find(token.unverified_claims)
        settings = _settings_for(token.unverified_claims, issuer)
        # 2. Its kind and algorithm, before its key.
        kind = check_kind(token, settings, expected)
        _check_algorithm(token, settings)
        # 3. The signature. It covers what was read so far, so that nothing needs to be looked at again.
        claims = verify_signature(token, await issuer.keys.find(token.key_id, token.algorithm))
        # 4. Audience and time.
        now = self._clock()
        verified = check_claims(claims, audiences=settings.audiences, leeway=settings.leeway, now=now)
        check_age(verified, settings.max_token_age, leeway=settings.leeway, now=now)
        if kind is TokenKind.ACCESS_TOKEN:
            check_access_token(token, verified)
        # 5. Who it is, and whether the login is good enough.
        principal = map_principal(verified, settings)
        check_login(principal, settings, now=now)
        if kind is TokenKind.ACCESS_TOKEN:
            check_binding(principal, settings)
        return principal

    def requires_proof(self, alias: str) -> bool:
        """Tell whether the tokens of this issuer's principals must be bound to a key."""
        every = (one for issuer in self._by_url.values() for one in issuer.settings)
        return any(one.alias == alias and one.dpop == "required" for one in every)

    def _find(self, claims: Mapping[str, object]) -> _Issuer:
        name = claims.get("iss")
        if not isinstance(name, str):
            raise UnknownIssuer("The token names no issuer.")
        return self._by_url.get(name) or _refuse_issuer(name)


def _check_aliases(settings: Sequence[IssuerSettings]) -> None:
    aliases = [one.alias for one in settings]
    for alias in aliases:
        if aliases.count(alias) > 1:
            raise InvalidConfiguration(
                f"The alias {alias} is in the settings twice.", hint="Each of [[issuers]] has an alias of its own."
            )


def _check_reachable(settings: Sequence[IssuerSettings]) -> None:
    for place, later in enumerate(settings):
        for earlier in settings[:place]:
            if _includes(later.when, earlier.when) and set(later.audiences) <= set(earlier.audiences):
                raise InvalidConfiguration(
                    f"{later.issuer} is in the settings twice: {earlier.alias} takes all tokens of {later.alias}.",
                    hint="Tell the two apart by `when` or `audiences`, the narrower first.",
                )


def _includes(more: Mapping[str, object], fewer: Mapping[str, object]) -> bool:
    return all(more.get(name) == value for name, value in fewer.items())


def _settings_for(claims: Mapping[str, object], issuer: _Issuer) -> IssuerSettings:
    """Return the first settings that fit the token's claims and are for one of its audiences.

    If no audience fits, those are returned whose check of the audience will say so.
    """
    fitting = [one for one in issuer.settings if matches(claims, one.when)]
    if not fitting:
        names = sorted({claim for one in issuer.settings for claim in one.when})
        raise InvalidClaim(
            f"The issuer {issuer.name} is trusted for other tokens than this one, by its {', '.join(names)}.",
            hint="Compare the token's claims with `when` in the issuer's settings.",
        )
    return next((one for one in fitting if is_for(claims, one.audiences)), fitting[0])


def _refuse_issuer(name: str) -> NoReturn:
    raise UnknownIssuer(
        f"The token's issuer {name[:200]!r} is not one that this gateway trusts.",
        hint="The name must be the same to the letter, with or without a '/' at its end.",
    )


def _check_algorithm(token: SignedToken, settings: IssuerSettings) -> None:
    if token.algorithm.lower() == "none":
        raise InvalidToken("The token is not signed.")
    if token.algorithm not in settings.algorithms:
        expected = " or ".join(settings.algorithms)
        raise AlgorithmRefused(f"The token's algorithm is wrong: expected {expected}, got {token.algorithm[:40]!r}.")
