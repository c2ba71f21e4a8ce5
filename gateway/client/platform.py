"""The token that a job's platform gives it to prove itself: from a file, from the environment, or on request."""

from collections.abc import Callable
from pathlib import Path

import httpx

from gateway.client.environment import Environment
from gateway.client.exchange import anonymous_http, fetch_object, is_confidential
from gateway.errors import IssuerUnavailable, LocalFileError, LoginFailed

MAX_TOKEN_BYTES = 16 * 1024
PROJECTED_TOKEN = Path("/var/run/secrets/tokens/gateway-token")
"""Where Kubernetes' documentation mounts a projected service account token, named for its audience.

Never the service account's default token: that one is for the cluster's own API, and nobody else may see it.
"""

ReadToken = Callable[[], str]
"""Returns the platform's token of this moment."""


def find_platform(environment: Environment, *, url: str) -> ReadToken | None:
    """Return how to get the platform's token for the gateway at `url`; None where there is no platform that we know.

    What somebody set for us goes first, then what the platform brings: GitHub Actions, then Kubernetes.
    """
    if environment.workload_token_file:
        return from_file(Path(environment.workload_token_file))
    if token := environment.workload_token:
        return lambda: token
    if environment.github_url and environment.github_token:
        audience = environment.workload_audience or url
        return from_github(environment.github_url, environment.github_token, audience=audience)
    return from_file(PROJECTED_TOKEN) if PROJECTED_TOKEN.is_file() else None


def from_file(file: Path) -> ReadToken:
    """Return a reader of the token in a file, without the white space around it.

    The reader raises:
        LocalFileError: the file cannot be read, is empty, or is too long for a token.
    """
    return lambda: _read(file)


def from_github(url: str, bearer: str, *, audience: str) -> ReadToken:
    """Return a reader that asks GitHub Actions for a fresh token (`permissions: id-token: write`).

    The reader raises:
        LoginFailed: GitHub refuses, or the address is none that a token may be sent to.
        IssuerUnavailable: GitHub does not answer.
    """
    return lambda: _ask_github(url, bearer, audience)


def _read(file: Path) -> str:
    try:
        with file.open(encoding="ascii") as opened:
            text = opened.read(MAX_TOKEN_BYTES + 1)
    except (OSError, ValueError) as error:
        raise LocalFileError(f"The workload token {file} cannot be read: {type(error).__name__}.") from error
    if not text.strip() or len(text) > MAX_TOKEN_BYTES:
        raise LocalFileError(f"The workload token {file} is empty, or longer than {MAX_TOKEN_BYTES:,} bytes.")
    return text.strip()


def _ask_github(url: str, bearer: str, audience: str) -> str:
    if not is_confidential(url):
        raise LoginFailed("ACTIONS_ID_TOKEN_REQUEST_URL is no HTTPS address.", hint="Is this really GitHub Actions?")
    asked = httpx.URL(url).copy_merge_params({"audience": audience})
    try:
        with anonymous_http() as http:
            http.headers["authorization"] = f"Bearer {bearer}"
            status, answer = fetch_object(http, "GET", str(asked))
    except (httpx.HTTPError, ValueError) as error:
        raise IssuerUnavailable(f"GitHub Actions gives no token: {type(error).__name__}.", hint="Try again.") from error
    token = answer.get("value")
    if status != httpx.codes.OK or not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES:
        raise LoginFailed(
            f"GitHub Actions gives no token: status {status}.", hint="Does the job have 'permissions: id-token: write'?"
        )
    return token
