"""Logs a job in at the gateway with the token that its platform gives it."""

from gateway.client.dpop import ProofKey
from gateway.client.exchange import WORKLOAD_TOKEN, GatewayLogin, anonymous_http, check_url
from gateway.client.platform import ReadToken
from gateway.client.profile import Login
from gateway.client.tokens import GatewayToken, WorkloadToken

ALIAS = "workload"
"""What a job's login is kept under in place of an issuer: the gateway finds the issuer in the token."""


def login_workload(url: str, read: ReadToken, *, dpop: bool = False) -> Login:
    """Log a job in with its platform's token and return the login, which is not kept yet.

    Raises:
        LocalFileError: the platform's token cannot be read.
        Unauthenticated: the gateway refused it.
        GatewayUnavailable: the gateway does not answer.
    """
    key = ProofKey.generate() if dpop else None
    token = _exchange(url, read(), key)
    return Login(check_url(url), ALIAS, token.expires_at, token.text, key.dump() if key else "")


def workload_source(url: str, read: ReadToken, *, dpop: bool = False) -> WorkloadToken:
    """Return gateway tokens for a job, renewed from its platform's token for as long as it runs."""
    key = ProofKey.generate() if dpop else None
    return WorkloadToken(read, lambda workload_token, key: _exchange(url, workload_token, key), key=key)


def _exchange(url: str, workload_token: str, key: ProofKey | None) -> GatewayToken:
    with anonymous_http() as http:
        return GatewayLogin(url, http).exchange(workload_token, WORKLOAD_TOKEN, key=key)
