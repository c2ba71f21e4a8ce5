"""Decides who is calling: the one place where a token becomes a principal.

Access tokens alone are taken: ours, or an issuer's (RFC 9068). Then the proof of possession, where the token is bound
to a key, and last what was revoked. Nothing else in the gateway reads a token of a request.
"""

from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.errors import InvalidDpopProof, Unauthenticated
from gateway.identity.dpop import Call, Proofs
from gateway.identity.issuers import ACCESS_TOKENS, Issuers
from gateway.identity.jws import SignedToken
from gateway.identity.remembered import Remembered
from gateway.identity.revoked import check_in_force
from gateway.identity.tokens import GatewayTokens
from gateway.model import Principal
from gateway.ports import Revocations


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request came with."""

    scheme: str
    """In lower case: `bearer` or `dpop`."""
    token: str = field(repr=False)
    call: Call
    proof: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Identified:
    """Who is calling."""

    principal: Principal
    next_nonce: str = ""
    """What the next proof of possession must hold, if it is another nonce than this one's."""


class Authentication:
    """Verifies what requests come with."""

    def __init__(
        self, issuers: Issuers, tokens: GatewayTokens, proofs: Proofs, revocations: Revocations, clock: Clock
    ) -> None:
        self._issuers = issuers
        self._tokens = tokens
        self._proofs = proofs
        self._revocations = revocations
        self._clock = clock
        self._remembered = Remembered()

    async def identify(self, credentials: Credentials) -> Identified:
        """Return who is calling. A bearer token that was verified before costs a hash and a look at the clock.

        Raises:
            Unauthenticated: one of its kinds, which says what was expected.
            Unavailable: a part is away without which we cannot know.
        """
        now = self._clock()
        known = self._remembered.find(credentials.token, now=now)
        if known is None:
            principal = await self._verify(credentials.token)
            known = self._remembered.keep(credentials.token, principal, now=now)
        next_nonce = await self._check_possession(credentials, known.principal)
        await check_in_force(known.principal, known.marks, self._revocations)
        return Identified(known.principal, next_nonce)

    async def _verify(self, text: str) -> Principal:
        token = SignedToken.parse(text)
        if self._tokens.issued(token):
            return await self._tokens.verify(text)
        return await self._issuers.verify(token, ACCESS_TOKENS)

    async def _check_possession(self, credentials: Credentials, principal: Principal) -> str:
        """Check that a bound token comes with a proof of its key, and only then. Return the next nonce."""
        if credentials.scheme == "bearer":
            if principal.key_thumbprint:
                # RFC 9449 7.2: a bound token is never taken for a bearer token.
                raise InvalidDpopProof(
                    "The token is bound to a key, and came without a proof of it.",
                    hint="Send it as 'Authorization: DPoP', with a proof.",
                )
            return ""
        if not principal.key_thumbprint:
            raise Unauthenticated("The token is bound to no key.", hint="Send it as 'Authorization: Bearer'.")
        if credentials.proof is None:
            raise InvalidDpopProof("No proof of possession was sent.", hint="Send one in the header DPoP.")
        proven = await self._proofs.verify(credentials.proof, credentials.call, token=credentials.token)
        if proven.thumbprint != principal.key_thumbprint:
            raise InvalidDpopProof("The proof is of another key than the token's.")
        return proven.next_nonce
