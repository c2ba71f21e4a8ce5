"""Who is asking: tokens of our issuers are exchanged for ours, and ours are verified."""

from gateway.audit import event
from gateway.broker.access import Origin
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.identity import GatewayTokens, TokenAnswer, TokenExchange, TokenRequest
from gateway.model import Principal
from gateway.ports import EventJournal


class SignIn:
    """The identity use cases."""

    def __init__(self, exchange: TokenExchange, tokens: GatewayTokens, journal: EventJournal, clock: Clock) -> None:
        self._exchange = exchange
        self._tokens = tokens
        self._journal = journal
        self._clock = clock

    async def exchange(self, form: bytes, origin: Origin) -> TokenAnswer:
        """Return a gateway token for an issuer's token (RFC 8693), once the login is recorded.

        Raises:
            GatewayError: the request is not well formed, or the token not good; recorded as well.
        """
        try:
            answer = await self._exchange.exchange(TokenRequest.decode(form))
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

    async def principal(self, token: str) -> Principal:
        """Return who a gateway token speaks for.

        Raises:
            Unauthenticated: it is not one of ours, or not in force.
        """
        return await self._tokens.verify(token)

    async def public_keys(self) -> dict[str, object]:
        """Return the keys that verify our tokens, as a JWK set."""
        return await self._tokens.jwks()
