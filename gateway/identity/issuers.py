"""Verifies the tokens of the issuers in our settings, and of nobody else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import httpx

from gateway.clock import Clock
from gateway.errors import AlgorithmRefused, InvalidConfiguration, InvalidToken, UnknownIssuer, WrongTokenType
from gateway.identity.claims import check_claims, check_is_id_token
from gateway.identity.discovery import KeyDiscovery
from gateway.identity.jws import SignedToken, verify_signature
from gateway.identity.key_cache import Freshness, KeyCache
from gateway.identity.mapping import map_principal
from gateway.model import Principal, PrincipalKind
from gateway.settings import IssuerSettings

_PLAIN_TYPES = frozenset({None, "jwt"})
"""`typ` of ID tokens and workload tokens. Others (at+jwt, logout+jwt, dpop+jwt, …) say that they are something else."""


@dataclass(frozen=True, slots=True)
class _Issuer:
    settings: IssuerSettings
    keys: KeyCache


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
        for one in settings:
            url = str(one.issuer)
            if url in self._by_url or any(one.alias == other.settings.alias for other in self._by_url.values()):
                raise InvalidConfiguration(f"The issuer {one.alias} ({url}) is in the settings twice.")
            discovery = KeyDiscovery(url, client, development=development)
            keys = KeyCache(f"The issuer {one.alias}", discovery.fetch, clock=clock, freshness=freshness)
            self._by_url[url] = _Issuer(one, keys)

    async def verify_subject_token(self, text: str) -> Principal:
        """Return who an ID token or a workload token speaks of.

        Raises:
            Unauthenticated: one of its kinds, which says what was expected.
            IssuerUnavailable: the issuer's keys cannot be had.
        """
        # 1. Parse, and find the issuer by its exact name: nothing is fetched for a stranger.
        token = SignedToken.parse(text)
        issuer = self._find(token.unverified_claims)
        # 2. Its kind and algorithm, before its key.
        _check_kind(token, issuer.settings)
        _check_algorithm(token, issuer.settings)
        # 3. The signature.
        claims = verify_signature(token, await issuer.keys.find(token.key_id, token.algorithm))
        # 4. Audience and time.
        verified = check_claims(
            claims, audiences=issuer.settings.audiences, leeway=issuer.settings.leeway, now=self._clock()
        )
        # 5. Who it is.
        return map_principal(verified, issuer.settings)

    def _find(self, claims: Mapping[str, object]) -> _Issuer:
        name = claims.get("iss")
        if not isinstance(name, str):
            raise UnknownIssuer("The token names no issuer.")
        return self._by_url.get(name) or _refuse_issuer(name)


def _refuse_issuer(name: str) -> NoReturn:
    raise UnknownIssuer(
        f"The token's issuer {name[:200]!r} is not one that this gateway trusts.",
        hint="The name must be the same to the letter, with or without a '/' at its end.",
    )


def _check_kind(token: SignedToken, settings: IssuerSettings) -> None:
    if token.media_type not in _PLAIN_TYPES:
        raise WrongTokenType(
            f"The token's typ is {str(token.media_type)[:40]!r}, expected 'JWT'.",
            hint="Exchange the ID token, not the access token.",
        )
    if settings.kind is PrincipalKind.USER:
        check_is_id_token(token.unverified_claims)


def _check_algorithm(token: SignedToken, settings: IssuerSettings) -> None:
    if token.algorithm.lower() == "none":
        raise InvalidToken("The token is not signed.")
    if token.algorithm not in settings.algorithms:
        expected = " or ".join(settings.algorithms)
        raise AlgorithmRefused(f"The token's algorithm is wrong: expected {expected}, got {token.algorithm[:40]!r}.")
