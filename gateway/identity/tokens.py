"""Issues and verifies gateway tokens: RFC 9068 access tokens of at most an hour, signed by a key that Vault holds."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from joserfc.jwk import ECKey, Key

from gateway.clock import Clock
from gateway.errors import (
    AlgorithmRefused,
    IntegrityError,
    InvalidToken,
    TokenExpired,
    TooLarge,
    UnknownIssuer,
    VaultUnavailable,
    WrongTokenType,
)
from gateway.identity.claims import VerifiedClaims, check_audience, check_not_expired
from gateway.identity.encoding import encode_base64url
from gateway.identity.jws import MAX_TOKEN_BYTES, SignedToken, verify_signature
from gateway.identity.key_cache import Freshness, KeyCache
from gateway.identity.principal_claims import read_principal, write_principal
from gateway.model import Holding, Principal, Secret
from gateway.ports import TokenSigner

ALGORITHM = "ES256"
MAX_SIGNATURE_CHARS = 100
"""Room for '.' and 64 bytes in base64url."""
MAX_LIFETIME = timedelta(hours=1)

_VAULT = Freshness(max_age=timedelta(minutes=5), refetch=timedelta(seconds=10), retry=timedelta(seconds=2))
"""Our own keys: they are asked for more often than an issuer's, since Vault is ours and a rotation is too."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A gateway token, just issued."""

    access_token: str = field(repr=False)
    expires_in: timedelta
    principal: Principal
    """Who it speaks of; `token_id` and `expires_at` are the gateway token's."""
    granted: Mapping[str, object] = field(default_factory=dict)
    """What was asked for and given: `scope` (RFC 6749 5.1) and `authorization_details` (RFC 9396 7)."""
    next_nonce: str = ""
    """What the next proof of possession must hold, if it is another nonce than this one's."""

    def to_response(self) -> dict[str, object]:
        """Return the members of the answer (RFC 8693 2.2.1), token included."""
        return {
            "access_token": self.access_token,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "DPoP" if self.principal.key_thumbprint else "Bearer",  # RFC 9449 5
            "expires_in": int(self.expires_in.total_seconds()),
            **self.granted,
        }


class GatewayTokens:
    """Our own tokens."""

    def __init__(
        self,
        signer: TokenSigner,
        public_url: str,
        clock: Clock,
        *,
        lifetime: timedelta = MAX_LIFETIME,
        settle: timedelta = timedelta(0),
    ) -> None:
        self._signer = signer
        self._public_url = public_url
        self._clock = clock
        self._lifetime = min(lifetime, MAX_LIFETIME)
        self._settle = settle
        self._keys = KeyCache("The gateway", self._fetch_keys, clock=clock, freshness=_VAULT)
        self._key_id = ""

    @property
    def audience(self) -> str:
        """`iss` and `aud` of our tokens."""
        return self._public_url

    async def issue(self, principal: Principal, *, client_id: str) -> TokenAnswer:
        """Return a token for the principal, which ends no later than the token that proved who it is.

        Raises:
            TokenExpired: that token has under a second left.
            TooLarge: the principal's groups and claims do not fit into a token.
            VaultUnavailable: nothing was signed.
        """
        now = self._clock().replace(microsecond=0)
        expires = min(now + self._lifetime, principal.expires_at or now + self._lifetime)
        lifetime = timedelta(seconds=(expires - now) // timedelta(seconds=1))
        if lifetime <= timedelta(0):
            raise TokenExpired("The token that was shown has expired.", hint="Log in again: gateway login.")
        origins = (*principal.origins, principal.token_id) if principal.token_id else principal.origins
        issued = replace(principal, token_id=uuid.uuid4().hex, expires_at=now + lifetime, origins=origins)
        claims = {
            **write_principal(issued),
            "iss": self._public_url,
            "aud": self._public_url,
            "client_id": client_id,
            "jti": issued.token_id,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        return TokenAnswer(await self._sign(claims), lifetime, issued)

    async def verify(self, text: str) -> Principal:
        """Return who a gateway token speaks of.

        Raises:
            Unauthenticated: one of its kinds, which says what was expected.
            VaultUnavailable: there are no keys to verify with.
        """
        return read_principal(await self._verify(SignedToken.parse(text)))

    def issued(self, token: SignedToken) -> bool:
        """Tell whether the token says that it is one of ours."""
        return token.unverified_claims.get("iss") == self._public_url

    async def jwks(self) -> dict[str, object]:
        """Return our public keys as a JWK Set (RFC 7517 5).

        Raises:
            VaultUnavailable: they cannot be had.
        """
        return {"keys": [{**key.as_dict(), "use": "sig", "alg": ALGORITHM} for key in await self._keys.all()]}

    async def holding(self) -> Holding:
        """Return the keys that we sign with and verify by, asked for anew.

        Raises:
            VaultUnavailable: they cannot be had; we go on with those at hand.
        """
        await self._keys.renew()
        accepted = tuple(str(key.kid) for key in await self._keys.all())
        return Holding(Secret.TOKEN_KEY, uses=self._key_id, accepts=accepted)

    async def _sign(self, claims: Mapping[str, object]) -> str:
        payload = encode_base64url(_json(claims))
        # The header names the key. Where that may no longer sign, or there was none, Vault chooses, and we sign again.
        for _ in range(3):
            header = {"typ": "at+jwt", "alg": ALGORITHM, "kid": self._key_id}
            message = f"{encode_base64url(_json(header))}.{payload}"
            if len(message) > MAX_TOKEN_BYTES - MAX_SIGNATURE_CHARS:
                raise TooLarge(
                    "The principal's groups and claims do not fit into a gateway token.",
                    hint="Map fewer groups and claims in the issuer's settings.",
                )
            try:
                key_id, signature = await self._signer.sign(message.encode(), key_id=self._key_id)
            except IntegrityError:
                self._key_id = ""
                continue
            if key_id == self._key_id:
                return f"{message}.{encode_base64url(signature)}"
            self._key_id = key_id
        raise VaultUnavailable("The key of gateway tokens was rotated while it signed.", hint="Try again.")

    async def _verify(self, token: SignedToken) -> VerifiedClaims:
        if not self.issued(token):
            raise UnknownIssuer(
                f"This is no token of this gateway: expected the issuer {self._public_url}.",
                hint="Exchange the provider's token at /oauth2/token first; gateway login does it.",
            )
        if token.media_type != "at+jwt":
            raise WrongTokenType("The token's typ is wrong: expected 'at+jwt'.")
        if token.algorithm != ALGORITHM:
            raise AlgorithmRefused(f"The token's algorithm is wrong: expected {ALGORITHM}.")
        if token.key_id is None:
            raise InvalidToken("The gateway token has no key id.")
        claims = verify_signature(token, await self._keys.find(token.key_id, ALGORITHM))
        # No leeway, and no look at iat: these are our own clocks.
        check_audience(claims, [self._public_url])
        check_not_expired(claims, now=self._clock())
        return VerifiedClaims(claims)

    async def _fetch_keys(self) -> tuple[Key, ...]:
        keys = await self._signer.public_keys()
        # A new key is known to every instance before one signs with it; without an older one there is no choice.
        known_by = self._clock() - self._settle
        settled = [key.key_id for key in keys if key.created_at <= known_by]
        self._key_id = (settled[-1:] or [key.key_id for key in keys[:1]] or [""])[0]
        return tuple(ECKey.import_key(key.public_pem, {"kid": key.key_id}) for key in keys)


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
