"""Exchanges a token for a gateway token (RFC 8693), which never has more rights or a longer life than it."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.errors import (
    GatewayError,
    InvalidDpopProof,
    InvalidInput,
    InvalidRequest,
    InvalidTarget,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    UseDpopNonce,
)
from gateway.identity.dpop import Call, Proofs, Proven
from gateway.identity.issuers import ACCESS_TOKENS, SUBJECT_TOKENS, Issuers
from gateway.identity.jws import SignedToken
from gateway.identity.revoked import check_in_force, login_marks
from gateway.identity.token_request import ACCESS_TOKEN, TokenRequest
from gateway.identity.tokens import GatewayTokens, TokenAnswer
from gateway.model import Principal
from gateway.ports import Revocations

MAX_NARROWINGS = 16
"""How often a token may be narrowed on its way: each narrowing is asked at every call."""

_OWN_CODES = (StepUpRequired, InvalidDpopProof, UseDpopNonce)
"""Refusals that the client answers with another login or proof; they keep their codes (RFC 9449 5, RFC 9470 3)."""


class TokenExchange:
    """The use case behind `POST /oauth2/token`."""

    def __init__(self, issuers: Issuers, tokens: GatewayTokens, proofs: Proofs, revocations: Revocations) -> None:
        self._issuers = issuers
        self._tokens = tokens
        self._proofs = proofs
        self._revocations = revocations

    async def exchange(
        self, request: TokenRequest, *, call: Call, proof: str | None = None, narrowing: Sequence[str] = ()
    ) -> TokenAnswer:
        """Return a gateway token for whom the subject token speaks of.

        Args:
            request: what was asked for.
            call: the request itself, which a proof of possession must be for.
            proof: it, if one was sent: the new token is bound to its key (RFC 9449 5).
            narrowing: policies, each of which must allow as well whatever the new token is used for.

        Raises:
            InvalidTarget: the token is asked for somebody else than this gateway.
            Unauthenticated: the subject token or the proof is refused; its kind says why.
            IssuerUnavailable: its issuer's keys cannot be had.
            VaultUnavailable: nothing was signed.
        """
        # 1. Whom the token is for, and who asks.
        if request.target.rstrip("/") not in {"", self._tokens.audience.rstrip("/")}:
            raise InvalidTarget(f"Tokens are issued for {self._tokens.audience} alone.")
        principal = await self._verify(request)
        await check_in_force(principal, login_marks(principal), self._revocations)
        # 2. The key that the new token is bound to.
        proven = await self._proofs.verify(proof, call) if proof is not None else Proven("")
        self._check_possession(principal, proven)
        # 3. What it is narrowed to: what held for the old token holds for the new one.
        policies = (*principal.session_policies, *narrowing)
        if len(policies) > MAX_NARROWINGS:
            raise InvalidRequest(f"The token was narrowed {MAX_NARROWINGS} times already.")
        granted = replace(principal, key_thumbprint=proven.thumbprint, session_policies=policies)
        answer = await self._tokens.issue(granted, client_id=request.client_id)
        return replace(answer, granted=_granted(request), next_nonce=proven.next_nonce)

    async def _verify(self, request: TokenRequest) -> Principal:
        token = SignedToken.parse(request.subject_token)
        if request.subject_token_type != ACCESS_TOKEN:
            return await self._issuers.verify(token, SUBJECT_TOKENS)
        if self._tokens.issued(token):
            return await self._tokens.verify(request.subject_token)
        return await self._issuers.verify(token, ACCESS_TOKENS)

    def _check_possession(self, principal: Principal, proven: Proven) -> None:
        if not proven.thumbprint and self._issuers.requires_proof(principal.issuer):
            raise InvalidDpopProof(
                f"Tokens for principals of {principal.issuer} are bound to a key: send a proof of possession.",
                hint="Log in with --dpop.",
            )
        # Else a stolen token could be exchanged for one that is bound to the thief's key, or to none.
        if principal.key_thumbprint and principal.key_thumbprint != proven.thumbprint:
            raise InvalidDpopProof(
                "The subject token is bound to a key, and came without a proof of it.", hint="Prove its key."
            )


def _granted(request: TokenRequest) -> dict[str, object]:
    granted: dict[str, object] = {}
    if request.scopes:
        granted["scope"] = " ".join(request.scopes)
    if request.details:
        granted["authorization_details"] = [dict(one) for one in request.details]
    return granted


def oauth_error(error: GatewayError) -> str:
    """Return the error code of the token endpoint's answer (RFC 6749 5.2) for what was refused or failed.

    >>> oauth_error(InvalidTarget("elsewhere"))
    'invalid_target'
    """
    if isinstance(error, (InvalidRequest, *_OWN_CODES)):
        return error.code.replace("-", "_")
    # RFC 8693 2.2.2: a subject token that is invalid for any reason makes an invalid request.
    if isinstance(error, Unauthenticated | InvalidInput):
        return "invalid_request"
    return "temporarily_unavailable" if isinstance(error, Unavailable) else "server_error"
