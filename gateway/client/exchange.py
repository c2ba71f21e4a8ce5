"""The gateway's own part of a login: which issuers it takes, and a gateway token for one of their tokens (RFC 8693)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.client.dpop import ProofAuth, ProofKey
from gateway.client.tls import tls_context
from gateway.client.tokens import GatewayToken
from gateway.clock import Clock, utc_now
from gateway.errors import (
    GatewayUnavailable,
    InvalidInput,
    IssuerUnavailable,
    LoginFailed,
    StepUpRequired,
    Unauthenticated,
    by_code,
)

CLIENT_ID = "gateway-cli"
MAX_ANSWER_BYTES = 256 * 1024
_TIMEOUT = httpx.Timeout(15)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_AGE_SECONDS = 10 * 365 * 24 * 3600
_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 -- a type's name
WORKLOAD_TOKEN = "urn:ietf:params:oauth:token-type:jwt"  # noqa: S105 -- the same


@dataclass(frozen=True, slots=True)
class LoginIssuer:
    """An issuer that people log in at, as the gateway describes it."""

    alias: str
    issuer: str
    client_id: str
    scopes: tuple[str, ...]


def anonymous_http() -> httpx.Client:
    """Return an HTTP client for what needs no gateway token."""
    return httpx.Client(verify=tls_context(), timeout=_TIMEOUT)


def check_url(url: str) -> str:
    """Return the gateway's URL without a '/' at its end, if tokens may be sent there.

    >>> check_url("https://gateway.example.org/")
    'https://gateway.example.org'

    Raises:
        InvalidInput: it is neither HTTPS nor on loopback, or is no URL.
    """
    if not is_confidential(url):
        raise InvalidInput(
            f"{url[:200]!r} is no address that a token may be sent to.",
            hint="Write https://HOST; plain HTTP is for loopback alone.",
        )
    return url.rstrip("/")


def is_confidential(url: str) -> bool:
    """Tell whether what is sent to `url` can be read on the way: HTTPS, or loopback."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = host in _LOOPBACK and parts.scheme == "http"
    return bool(host) and parts.username is None and (parts.scheme == "https" or plain)


class GatewayLogin:
    """The endpoints of one gateway that need no token."""

    def __init__(self, url: str, http: httpx.Client, *, clock: Clock = utc_now) -> None:
        self.url = check_url(url)
        self._http = http
        self._clock = clock

    def issuers(self) -> tuple[LoginIssuer, ...]:
        """Return the issuers that people log in at.

        Raises:
            GatewayUnavailable: the gateway does not answer as one.
        """
        status, answer = self._ask("GET", "/v1/login")
        if status != httpx.codes.OK:
            raise self._no_gateway()
        try:
            return tuple(_login_issuer(entry) for entry in answer["issuers"])
        except (KeyError, TypeError) as error:
            raise self._no_gateway() from error

    def exchange(self, subject_token: str, kind: str, *, key: ProofKey | None = None) -> GatewayToken:
        """Return a gateway token for an ID token or a workload token, bound to the key if there is one.

        Raises:
            LoginFailed: the gateway binds no tokens to keys.
            Unauthenticated: the gateway refuses the token; its kind and message say why.
            GatewayUnavailable: the gateway does not answer, or not as one.
            IssuerUnavailable: the gateway cannot verify the token for want of the issuer's keys.
        """
        # The gateway's clock may differ from ours: what counts is how long the token lives from now on.
        now = self._clock()
        form = {
            "grant_type": _GRANT_TYPE,
            "subject_token": subject_token,
            "subject_token_type": kind,
            "client_id": CLIENT_ID,
        }
        status, answer = self._ask("POST", "/oauth2/token", form, key)
        if status != httpx.codes.OK:
            raise self._refusal(status, answer)
        # RFC 9449 5: a server that does not know DPoP answers with a bearer token. Who asked for more gets no less.
        if key is not None and str(answer.get("token_type")).lower() != "dpop":
            raise LoginFailed(f"{self.url} does not bind tokens to a key.", hint="Log in without --dpop.")
        try:
            lifetime = timedelta(seconds=int(answer["expires_in"]))
            return GatewayToken(str(answer["access_token"]), issued_at=now, expires_at=now + lifetime)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._no_gateway() from error

    def _no_gateway(self) -> GatewayUnavailable:
        return GatewayUnavailable(f"{self.url} does not answer as a gateway does.", hint="Check the URL.")

    def _refusal(self, status: int, answer: Mapping[str, Any]) -> Exception:
        said = str(answer.get("error_description") or answer.get("detail") or f"status {status}")[:500]
        hint = str(answer.get("hint", ""))[:500]
        kind = by_code().get(str(answer.get("code")))
        if kind is StepUpRequired:
            return _step_up(said, hint, answer)
        if kind is not None:
            return kind(said, hint=hint)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return GatewayUnavailable(f"{self.url} cannot issue tokens at present: {said}", hint="Try again later.")
        return Unauthenticated(said, hint=hint)

    def _ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None, key: ProofKey | None = None
    ) -> tuple[int, dict[str, Any]]:
        try:
            return fetch_object(self._http, method, self.url + path, form, key=key)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise GatewayUnavailable(
                f"The gateway at {self.url} does not answer ({type(error).__name__}).",
                hint="Check the URL, and that the gateway is up.",
            ) from error


def choose_issuer(issuers: Sequence[LoginIssuer], alias: str | None) -> LoginIssuer:
    """Return the issuer of this alias, or the only one.

    Raises:
        LoginFailed: there is none, or there are several and none was named.
    """
    known = ", ".join(one.alias for one in issuers) or "none"
    found = [one for one in issuers if alias in {None, one.alias}]
    if len(found) == 1:
        return found[0]
    if alias is None and found:
        raise LoginFailed(f"The gateway has several issuers: {known}.", hint="Name one with --issuer.")
    raise LoginFailed(f"The gateway has no issuer {alias or 'for people'}; it has {known}.", hint="Try --issuer.")


def fetch_object(
    http: httpx.Client,
    method: str,
    url: str,
    form: Mapping[str, str] | None = None,
    *,
    key: ProofKey | None = None,
) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON object that `url` answers, with a proof if there is a key. Follows no redirect.

    Raises:
        httpx.HTTPError: it does not answer.
        ValueError: the answer is too long, or is no JSON object.
    """
    body = bytearray()
    accept, proof = {"Accept": "application/json"}, proof_auth(key)
    with http.stream(method, url, data=form, headers=accept, auth=proof, follow_redirects=False) as answer:
        for chunk in answer.iter_bytes(16 * 1024):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError("too long")
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 -- the answer is wrong, not the caller's type
    return answer.status_code, value


def proof_auth(key: ProofKey | None) -> httpx.Auth:
    """Return what adds proofs of the key to requests, or nothing. We authenticate as a public client either way."""
    return httpx.Auth() if key is None else ProofAuth(key)


def _step_up(said: str, hint: str, answer: Mapping[str, Any]) -> StepUpRequired:
    """Read what a token endpoint's refusal demands, as a challenge of RFC 9470 has it."""
    acr, amr = (tuple(str(answer.get(name) or "").split()) for name in ("acr_values", "amr_values"))
    age = answer.get("max_age")
    max_age = timedelta(seconds=age) if isinstance(age, int) and 0 <= age <= _MAX_AGE_SECONDS else None
    return StepUpRequired(said, hint=hint, acr_values=acr, amr_values=amr, max_age=max_age)


def _login_issuer(entry: Mapping[str, Any]) -> LoginIssuer:
    issuer = str(entry["issuer"])
    if not is_confidential(issuer):
        raise IssuerUnavailable(f"The issuer {issuer[:200]!r} is neither HTTPS nor on loopback.")
    return LoginIssuer(str(entry["alias"]), issuer, str(entry["client_id"]), tuple(map(str, entry["scopes"])))
