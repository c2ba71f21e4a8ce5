"""Exchanges an issuer's token for a gateway token (RFC 8693): the request, parsed strictly, and the use of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl

from gateway.errors import (
    GatewayError,
    InvalidInput,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    Unauthenticated,
    Unavailable,
    UnsupportedGrantType,
)
from gateway.identity.issuers import Issuers
from gateway.identity.jws import MAX_TOKEN_BYTES
from gateway.identity.tokens import GatewayTokens, TokenAnswer

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
MAX_REQUEST_BYTES = 2 * MAX_TOKEN_BYTES

_TYPE = "urn:ietf:params:oauth:token-type"
_SUBJECT_TYPES = frozenset({f"{_TYPE}:id_token", f"{_TYPE}:jwt"})
_REQUESTED_TYPES = frozenset({"", f"{_TYPE}:access_token", f"{_TYPE}:jwt"})
_REFUSED = ("actor_token", "actor_token_type", "authorization_details")
"""Parameters that would change whom the token speaks of, or narrow it. Ignoring them would give more than asked."""
_MAX_CLIENT_ID_CHARS = 100


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token exchange request that is well formed; its subject token is not yet verified."""

    subject_token: str = field(repr=False)
    subject_token_type: str
    target: str = ""
    """`audience` or `resource`; empty where the caller named none."""
    client_id: str = "gateway"
    """What the client calls itself. Public clients cannot prove it, so nothing may depend on it."""

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an `application/x-www-form-urlencoded` body.

        Raises:
            InvalidRequest: it is too long, malformed, repeats a parameter, or as `parse`.
        """
        if len(body) > MAX_REQUEST_BYTES:
            raise InvalidRequest(f"The token request is longer than {MAX_REQUEST_BYTES:,} bytes.")
        try:
            pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
        except ValueError as error:
            raise InvalidRequest("The token request is no urlencoded form.") from error
        form = dict(pairs)
        # RFC 6749 3.2: parameters must not be included more than once.
        if len(form) != len(pairs):
            raise InvalidRequest("The token request has a parameter twice.")
        return cls.parse(form)

    @classmethod
    def parse(cls, form: Mapping[str, str]) -> Self:
        """Read the parameters (RFC 8693 2.1); those that RFC 6749 does not know are ignored, as it says.

        >>> TokenRequest.parse({"grant_type": GRANT_TYPE})
        Traceback (most recent call last):
        gateway.errors.InvalidRequest: The token request has no subject_token.

        Raises:
            UnsupportedGrantType: another grant type.
            InvalidRequest: a parameter is missing or cannot be honoured.
            InvalidScope: a scope was asked for; there are none.
        """
        # RFC 6749 3.2: a parameter without a value is treated as if it were omitted.
        given = {name: value for name, value in form.items() if value}
        _check_grant_type(given)
        _refuse_unsupported(given)
        return cls(
            subject_token=_required(given, "subject_token"),
            subject_token_type=_subject_type(given),
            target=_target(given),
            client_id=_client_id(given),
        )


class TokenExchange:
    """The use case behind `POST /oauth2/token`."""

    def __init__(self, issuers: Issuers, tokens: GatewayTokens) -> None:
        self._issuers = issuers
        self._tokens = tokens

    async def exchange(self, request: TokenRequest) -> TokenAnswer:
        """Return a gateway token for whom the subject token speaks of.

        Raises:
            InvalidTarget: the token is asked for somebody else than this gateway.
            Unauthenticated: the subject token is refused; its kind says why.
            IssuerUnavailable: its issuer's keys cannot be had.
            VaultUnavailable: nothing was signed.
        """
        if request.target.rstrip("/") not in {"", self._tokens.audience.rstrip("/")}:
            raise InvalidTarget(f"Tokens are issued for {self._tokens.audience} alone.")
        principal = await self._issuers.verify_subject_token(request.subject_token)
        return await self._tokens.issue(principal, client_id=request.client_id)


def oauth_error(error: GatewayError) -> str:
    """Return the error code of the token endpoint's answer (RFC 6749 5.2) for what was refused or failed.

    >>> oauth_error(InvalidTarget("elsewhere"))
    'invalid_target'
    """
    if isinstance(error, InvalidRequest):
        return error.code.replace("-", "_")
    # RFC 8693 2.2.2: a subject token that is invalid for any reason makes an invalid request.
    if isinstance(error, Unauthenticated | InvalidInput):
        return "invalid_request"
    return "temporarily_unavailable" if isinstance(error, Unavailable) else "server_error"


def _check_grant_type(given: Mapping[str, str]) -> None:
    if _required(given, "grant_type") != GRANT_TYPE:
        raise UnsupportedGrantType(f"The grant type is not supported: expected {GRANT_TYPE}.")


def _refuse_unsupported(given: Mapping[str, str]) -> None:
    refused = [name for name in _REFUSED if name in given]
    if refused:
        raise InvalidRequest(f"The parameter {refused[0]} is not supported.")
    if "scope" in given:
        raise InvalidScope("This gateway has no scopes: policy decides each request.", hint="Leave scope out.")
    if given.get("requested_token_type", "") not in _REQUESTED_TYPES:
        raise InvalidRequest("The requested token type is not supported: this gateway issues access tokens.")


def _required(given: Mapping[str, str], name: str) -> str:
    if name not in given:
        raise InvalidRequest(f"The token request has no {name}.")
    return given[name]


def _subject_type(given: Mapping[str, str]) -> str:
    kind = _required(given, "subject_token_type")
    if kind not in _SUBJECT_TYPES:
        expected = " or ".join(sorted(_SUBJECT_TYPES))
        raise InvalidRequest(f"The subject token's type is not supported: expected {expected}.")
    return kind


def _target(given: Mapping[str, str]) -> str:
    targets = {given[name] for name in ("audience", "resource") if name in given}
    if len(targets) > 1:
        raise InvalidTarget("The token is asked for an audience and a resource that differ.")
    return targets.pop() if targets else ""


def _client_id(given: Mapping[str, str]) -> str:
    client_id = given.get("client_id", "gateway")
    if len(client_id) > _MAX_CLIENT_ID_CHARS or not (client_id.isascii() and client_id.isprintable()):
        raise InvalidRequest(f"The client_id is not a printable text of at most {_MAX_CLIENT_ID_CHARS} characters.")
    return client_id
