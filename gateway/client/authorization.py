"""Sends each request as the caller, and answers the two challenges that can be answered, each once."""

from collections.abc import Generator

import httpx

from gateway.client.demand import Demand
from gateway.client.dpop import ProofKey
from gateway.client.tokens import Credential, TokenSource

Flow = Generator[httpx.Request, httpx.Response, httpx.Response]


class CallerAuth(httpx.Auth):
    """The Authorization header of every request, with a proof where the token is bound to a key.

    What is sent may be sent again, so a body that is a stream must be one that can be read twice.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request; once more with the gateway's nonce, and once more after a stronger login (RFC 9470)."""
        credential = self._tokens.credential()
        answer = yield from _as(credential, request)
        demand = Demand.of(answer)
        if demand is not None:
            yield from _as(self._tokens.step_up(credential, demand), request)


def _as(credential: Credential, request: httpx.Request) -> Flow:
    token, key = credential.token, credential.key
    if key is None:
        request.headers["authorization"] = f"Bearer {token}"
        request.headers.pop("dpop", None)
        return (yield request)
    answer = yield _proven(request, token, key)
    # RFC 9449 9: a refusal for want of a nonce brings the nonce. A second one is final.
    if key.heard(answer):
        answer = yield _proven(request, token, key)
        key.heard(answer)
    return answer


def _proven(request: httpx.Request, token: str, key: ProofKey) -> httpx.Request:
    request.headers["authorization"] = f"DPoP {token}"
    request.headers["dpop"] = key.proof(request.method, str(request.url), token=token)
    return request
