"""Logs a job in at the gateway with the token that its platform gives it."""

from pathlib import Path

from gateway.client.exchange import WORKLOAD_TOKEN, GatewayLogin, anonymous_http, check_url
from gateway.client.profile import Login
from gateway.client.tokens import GatewayToken, WorkloadToken, read_workload_token

ALIAS = "workload"
"""What a job's login is kept under in place of an issuer: the gateway finds the issuer in the token."""


def login_workload(url: str, file: Path) -> Login:
    """Log a job in with the workload token in `file` and return the login, which is not kept yet.

    Raises:
        LocalFileError: the file cannot be read.
        Unauthenticated: the gateway refused the token.
        GatewayUnavailable: the gateway does not answer.
    """
    token = _exchange(url, read_workload_token(file))
    return Login(check_url(url), ALIAS, token.expires_at, token.text)


def workload_source(url: str, file: Path) -> WorkloadToken:
    """Return gateway tokens for a job, renewed from the workload token in `file` for as long as it runs."""
    return WorkloadToken(file, lambda workload_token: _exchange(url, workload_token))


def _exchange(url: str, workload_token: str) -> GatewayToken:
    with anonymous_http() as http:
        return GatewayLogin(url, http).exchange(workload_token, WORKLOAD_TOKEN)
