"""Who somebody is, and how they log in, as JSON."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from gateway import model
from gateway.api.schemas.wire import Wire


class WhoAmI(Wire):
    """The caller as we see them."""

    issuer: str
    subject: str
    kind: model.PrincipalKind
    name: str
    groups: list[str]
    expires_at: datetime | None
    acr: str | None
    amr: list[str]
    auth_time: datetime | None
    token_id: Annotated[str, Field(description="The token's `jti`, by which it can be revoked.")]
    bound: Annotated[bool, Field(description="Whether the token is good with a proof of its key alone (RFC 9449).")]
    narrowed: Annotated[bool, Field(description="Whether the token may do less than policy lets its holder do.")]


class LoginIssuer(Wire):
    """An issuer where people log in."""

    alias: str
    issuer: str
    client_id: str
    scopes: list[str]


class LoginOut(Wire):
    """How to log in."""

    token_endpoint: str
    issuers: list[LoginIssuer]


class TokenOut(Wire):
    """RFC 8693 2.2.1."""

    access_token: str
    issued_token_type: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    scope: str | None = None
    authorization_details: list[dict[str, object]] | None = None


class TokenErrorOut(Wire):
    """RFC 6749 5.2, with the code and the hint that every problem of ours has."""

    error: str
    error_description: str
    code: str
    hint: str
    acr_values: str | None = None
    amr_values: str | None = None
    max_age: int | None = None
