"""Who is asking: tokens of our issuers are exchanged for ours, and ours are verified."""

from gateway.audit import event
from gateway.broker.access import Origin
from gateway.broker.narrowing import narrowing_of
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.identity import (
    Authentication,
    Call,
    Credentials,
    GatewayTokens,
    Identified,
    TokenAnswer,
    TokenExchange,
    TokenRequest,
)
from gateway.ports import EventJournal


class SignIn:
    """The identity use cases."""

    def __init__(
        self,
        authentication: Authentication,
        exchange: TokenExchange,
        tokens: GatewayTokens,
        journal: EventJournal,
        clock: Clock,
    ) -> None:
        self._authentication = authentication
        self._exchange = exchange
        self._tokens = tokens
        self._journal = journal
        self._clock = clock

    async def exchange(
        self, body: bytes, media_type: str, origin: Origin, *, call: Call, proof: str | None
    ) -> TokenAnswer:
        """Return a gateway token for another token (RFC 8693), once the login is recorded.

        Args:
            body: the request's.
            media_type: how it is written.
            origin: where it came from.
            call: which request it is, for the proof of possession.
            proof: the proof, if one was sent.

        Raises:
            GatewayError: the request is not well formed, or the token not good; recorded as well.
        """
        try:
            request = TokenRequest.decode(body, media_type=media_type)
            answer = await self._exchange.exchange(request, call=call, proof=proof, narrowing=narrowing_of(request))
        except GatewayError as error:
            await self._journal.append(
                event.refused_login(error, at=self._clock(), request_id=origin.request_id, source_ip=origin.source_ip)
            )
            raise
        await self._journal.append(
            event.authenticated(
                answer.principal, at=self._clock(), request_id=origin.request_id, source_ip=origin.source_ip
            )
        )
        return answer

    async def identify(self, credentials: Credentials) -> Identified:
        """Return who is calling, by a gateway token or an issuer's access token.

        Raises:
            Unauthenticated: one of its kinds, which says what was expected.
        """
        return await self._authentication.identify(credentials)

    async def public_keys(self) -> dict[str, object]:
        """Return the keys that verify our tokens, as a JWK set."""
        return await self._tokens.jwks()
