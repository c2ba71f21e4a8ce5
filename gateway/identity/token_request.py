"""Reads a token exchange request (RFC 8693 2.1), as a form or as JSON. What cannot be honoured is refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl

from gateway.errors import (
    InvalidAuthorizationDetails,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    UnsupportedGrantType,
)
from gateway.identity.encoding import read_object
from gateway.identity.jws import MAX_TOKEN_BYTES

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
MAX_REQUEST_BYTES = 2 * MAX_TOKEN_BYTES
MAX_DETAILS_CHARS = 8 * 1024
MAX_SCOPES = 100

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

_TYPE = "urn:ietf:params:oauth:token-type"
ACCESS_TOKEN = f"{_TYPE}:access_token"
ID_TOKEN = f"{_TYPE}:id_token"
JWT = f"{_TYPE}:jwt"
_SUBJECT_TYPES = frozenset({ACCESS_TOKEN, ID_TOKEN, JWT})
_REQUESTED_TYPES = frozenset({"", ACCESS_TOKEN, JWT})
_REFUSED = ("actor_token", "actor_token_type")
"""Parameters that would change whom the token speaks of."""
_MAX_CLIENT_ID_CHARS = 100
_DETAILS = "authorization_details"

Detail = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token exchange request that is well formed; its subject token is not yet verified."""

    subject_token: str = field(repr=False)
    subject_token_type: str
    target: str = ""
    """`audience` or `resource`; empty where the caller named none."""
    client_id: str = "gateway"
    """What the client calls itself. Public clients cannot prove it, so nothing may depend on it."""
    scopes: tuple[str, ...] = ()
    """Actions that the token shall be narrowed to; none means all."""
    details: tuple[Detail, ...] = ()
    """What the token shall be narrowed to (RFC 9396 2); none means all."""

    @classmethod
    def decode(cls, body: bytes, *, media_type: str = FORM) -> Self:
        """Read a body.

        Raises:
            InvalidRequest: it is too long, malformed, repeats a parameter, or as `parse`.
        """
        if len(body) > MAX_REQUEST_BYTES:
            raise InvalidRequest(f"The token request is longer than {MAX_REQUEST_BYTES:,} bytes.")
        if media_type not in {FORM, JSON}:
            raise InvalidRequest(f"The token request is neither {FORM} nor {JSON}.")
        return cls.parse(_read_json(body) if media_type == JSON else _read_form(body))

    @classmethod
    def parse(cls, form: Mapping[str, str]) -> Self:
        """Read the parameters; those that RFC 6749 does not know are ignored, as it says.

        >>> TokenRequest.parse({"grant_type": GRANT_TYPE})
        Traceback (most recent call last):
        gateway.errors.InvalidRequest: The token request has no subject_token.

        Raises:
            UnsupportedGrantType: another grant type.
            InvalidRequest: a parameter is missing or cannot be honoured.
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
            scopes=_scopes(given),
            details=_details(given),
        )


def _read_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
    except ValueError as error:
        raise InvalidRequest("The token request is no urlencoded form.") from error
    form = dict(pairs)
    # RFC 6749 3.2: parameters must not be included more than once.
    if len(form) != len(pairs):
        raise InvalidRequest("The token request has a parameter twice.")
    return form


def _read_json(body: bytes) -> dict[str, str]:
    """Return the members of a JSON object as a form has them: texts, and authorization_details as JSON."""
    try:
        members = read_object(body)
    except ValueError as error:
        raise InvalidRequest(f"The token request is refused: {error}.") from error
    form: dict[str, str] = {}
    for name, value in members.items():
        if name == _DETAILS and isinstance(value, list):
            form[name] = json.dumps(value)
        elif isinstance(value, str):
            form[name] = value
        else:
            raise InvalidRequest(f"The token request's {name[:40]!r} is not a text.")
    return form


def _check_grant_type(given: Mapping[str, str]) -> None:
    if _required(given, "grant_type") != GRANT_TYPE:
        raise UnsupportedGrantType(f"The grant type is not supported: expected {GRANT_TYPE}.")


def _refuse_unsupported(given: Mapping[str, str]) -> None:
    refused = [name for name in _REFUSED if name in given]
    if refused:
        raise InvalidRequest(f"The parameter {refused[0]} is not supported.")
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


def _scopes(given: Mapping[str, str]) -> tuple[str, ...]:
    # RFC 6749 3.3: scope tokens, separated by single spaces.
    if "scope" not in given:
        return ()
    scopes = given["scope"].split(" ")
    if not all(scopes) or len(scopes) > MAX_SCOPES:
        raise InvalidScope(f"The scope is not a list of 1 to {MAX_SCOPES} actions, separated by single spaces.")
    return tuple(dict.fromkeys(scopes))


def _details(given: Mapping[str, str]) -> tuple[Detail, ...]:
    text = given.get(_DETAILS)
    if text is None:
        return ()
    if len(text) > MAX_DETAILS_CHARS:
        raise InvalidAuthorizationDetails(f"The {_DETAILS} are longer than {MAX_DETAILS_CHARS:,} characters.")
    try:
        found = read_object(b'{"details":' + text.encode() + b"}")["details"]
    except (ValueError, KeyError) as error:
        raise InvalidAuthorizationDetails(f"The {_DETAILS} are no JSON.") from error
    # An empty list would ask for a token that may do nothing; more likely it is a mistake.
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise InvalidAuthorizationDetails(f"The {_DETAILS} are not a list of objects (RFC 9396 2).")
    return tuple(found)
