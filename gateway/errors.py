"""What can go wrong, as one tree. Each class has a stable code that clients, logs and tests rely on.

A message names the thing and the reason; a hint says the next step. Neither ever holds a token, a key or a link.
`gateway.api.problems` gives each code its HTTP status, `gateway.cli.exit_codes` its exit code.
"""

from datetime import timedelta
from typing import ClassVar


class GatewayError(Exception):
    """Anything that the gateway or its client refuses or fails to do.

    >>> raise UnknownPath("dataset/vision/digits@v1 has no file 'a.csv'.", hint="gateway ls lists its files.")
    Traceback (most recent call last):
    gateway.errors.UnknownPath: dataset/vision/digits@v1 has no file 'a.csv'.
    """

    code: ClassVar[str] = "internal-error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(GatewayError):
    """The request breaks a rule that the caller can read up."""

    code = "invalid-input"


class InvalidName(InvalidInput):
    """A namespace, name, tag or version reference breaks the naming rules."""

    code = "invalid-name"


class InvalidPath(InvalidInput):
    """A path inside a version breaks the path rules."""

    code = "invalid-path"


class TooLarge(InvalidInput):
    """A body, a count or a file is over its stated limit."""

    code = "too-large"


class RangeNotSatisfiable(InvalidInput):
    """A byte range starts past the end of the file (RFC 9110 15.5.17)."""

    code = "range-not-satisfiable"


class InvalidPolicy(InvalidInput):
    """A policy document breaks the policy language."""

    code = "invalid-policy"


class InvalidConfiguration(InvalidInput):
    """A setting is missing, unknown or out of its range."""

    code = "invalid-configuration"


class InvalidRequest(InvalidInput):
    """A token request lacks a parameter, repeats one, or has one that we cannot honour (RFC 6749 5.2)."""

    code = "invalid-request"


class UnsupportedGrantType(InvalidRequest):
    """A token request of another grant type than token exchange (RFC 6749 5.2)."""

    code = "unsupported-grant-type"


class InvalidTarget(InvalidRequest):
    """A token is asked for somebody else than this gateway (RFC 8693 2.2.2)."""

    code = "invalid-target"


class InvalidScope(InvalidRequest):
    """A token request asks for a scope that does not exist (RFC 6749 5.2)."""

    code = "invalid-scope"


class InvalidAuthorizationDetails(InvalidRequest):
    """A token request's `authorization_details` are of a type or a form that we do not know (RFC 9396 5)."""

    code = "invalid-authorization-details"


class Unauthenticated(GatewayError):
    """We do not know who is asking (RFC 6750 3.1: invalid_token)."""

    code = "unauthenticated"


class UnknownIssuer(Unauthenticated):
    """The token names an issuer that is not in the settings."""

    code = "unknown-issuer"


class TokenExpired(Unauthenticated):
    """The token was good once."""

    code = "token-expired"


class WrongAudience(Unauthenticated):
    """The token was made for somebody else."""

    code = "wrong-audience"


class InvalidToken(Unauthenticated):
    """The token is not written as RFC 7515 and RFC 7519 have it, or asks for something that we never do."""

    code = "invalid-token"


class WrongTokenType(Unauthenticated):
    """An access token where an ID token is due, or the reverse."""

    code = "wrong-token-type"


class AlgorithmRefused(Unauthenticated):
    """The token is signed with an algorithm that its issuer's settings do not name."""

    code = "algorithm-refused"


class UnknownSigningKey(Unauthenticated):
    """No key of the issuer has the token's key id and algorithm."""

    code = "unknown-signing-key"


class BadSignature(Unauthenticated):
    """The token's signature does not verify."""

    code = "bad-signature"


class TokenNotYetValid(Unauthenticated):
    """The token's `nbf` or `iat` lies in the future."""

    code = "token-not-yet-valid"


class InvalidClaim(Unauthenticated):
    """A claim that we need is missing, or is not what its definition says."""

    code = "invalid-claim"


class LoginFailed(Unauthenticated):
    """The provider did not log the person in, or its answer was not to our question."""

    code = "login-failed"


class TokenRevoked(Unauthenticated):
    """The token was good, and somebody took it back: it, its subject, its client or its issuer's."""

    code = "token-revoked"


class InvalidDpopProof(Unauthenticated):
    """The proof of possession is missing, malformed, used before, or made for another request (RFC 9449 4.3)."""

    code = "invalid-dpop-proof"


class UseDpopNonce(Unauthenticated):
    """The proof of possession must hold the nonce that comes with this answer (RFC 9449 8, 9)."""

    code = "use-dpop-nonce"

    def __init__(self, message: str, *, hint: str = "", nonce: str = "") -> None:
        super().__init__(message, hint=hint)
        self.nonce = nonce


class StepUpRequired(Unauthenticated):
    """A stronger or more recent login of the same principal would do (RFC 9470 3)."""

    code = "insufficient-user-authentication"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        acr_values: tuple[str, ...] = (),
        amr_values: tuple[str, ...] = (),
        max_age: timedelta | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.acr_values = acr_values
        self.amr_values = amr_values
        self.max_age = max_age


class AccessDenied(GatewayError):
    """We know who is asking, and policy says no. Says nothing about what exists."""

    code = "access-denied"


class LinkRefused(AccessDenied):
    """A stream link that was altered, or is used other than as it was signed."""

    code = "link-refused"


class LinkExpired(AccessDenied):
    """A stream link past its expiry."""

    code = "link-expired"


class Revoked(AccessDenied):
    """A link, lease, principal or dataset that was good once, and was revoked."""

    code = "revoked"


class NotFound(GatewayError):
    """There is no such thing, said only to those who may know."""

    code = "not-found"


class UnknownResource(NotFound):
    """No dataset or model of this name."""

    code = "unknown-resource"


class UnknownVersion(NotFound):
    """The resource has no such version."""

    code = "unknown-version"


class UnknownTag(NotFound):
    """The resource has no such tag."""

    code = "unknown-tag"


class UnknownPath(NotFound):
    """The version has no such file."""

    code = "unknown-path"


class UnknownPush(NotFound):
    """No open push of this id belongs to this principal and resource."""

    code = "unknown-push"


class UnknownLease(NotFound):
    """No lease of this id belongs to this principal."""

    code = "unknown-lease"


class Shredded(NotFound):
    """The resource's keys were destroyed, and with them all that it held."""

    code = "shredded"


class EventRefused(InvalidInput):
    """A sink will never take these events; they become dead letters."""

    code = "event-refused"


class Conflict(GatewayError):
    """The request is fine, and the present state does not allow it."""

    code = "conflict"


class VersionExists(Conflict):
    """This very content is published already."""

    code = "version-exists"


class PushClosed(Conflict):
    """The push was committed, aborted, or ran out of time."""

    code = "push-closed"


class IncompleteUpload(Conflict):
    """An object of the push is missing in S3, or has another size than announced."""

    code = "incomplete-upload"


class VaultRefused(Conflict):
    """Vault understood what was asked, and says no."""

    code = "vault-refused"


class RotationHeld(Conflict):
    """Another run replaces secrets at this moment."""

    code = "rotation-held"


class StillNeeded(Conflict):
    """What shall go is still needed; the message names what needs it."""

    code = "still-needed"


class IntegrityError(GatewayError):
    """Bytes are not what they were when they were written. Never retried, never returned."""

    code = "integrity-error"


class WrongKey(IntegrityError):
    """The object key is not the one that encrypted this object."""

    code = "wrong-key"


class CiphertextTampered(IntegrityError):
    """A segment does not authenticate: flipped, reordered, duplicated, or from another object."""

    code = "ciphertext-tampered"


class CiphertextTruncated(IntegrityError):
    """The ciphertext ends before its last segment."""

    code = "ciphertext-truncated"


class ContentMismatch(IntegrityError):
    """The plaintext's SHA-256 or size differs from the manifest's."""

    code = "content-mismatch"


class ObjectMissing(IntegrityError):
    """S3 has not the object that was written, or not all of it (said by the client)."""

    code = "object-missing"


class JournalBroken(IntegrityError):
    """The audit journal does not verify; the message names the first bad record."""

    code = "journal-broken"


class InvalidProof(IntegrityError):
    """A checkpoint, a proof or a verifier key does not hold: malformed, unsigned, forged, or about something else."""

    code = "invalid-proof"


class SecretStillGood(IntegrityError):
    """A secret that was revoked still opens something."""

    code = "secret-still-good"


class NotShredded(IntegrityError):
    """A key that was destroyed still opens something. Somebody must look at it."""

    code = "not-shredded"


class Unavailable(GatewayError):
    """A part that we need is away. Safe to try again, after `retry_after` where that is known."""

    code = "unavailable"

    def __init__(self, message: str, *, hint: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """The gateway has as much to do as it can do at once."""

    code = "overloaded"


class Draining(Unavailable):
    """The gateway is about to stop."""

    code = "draining"


class TooManyRequests(Unavailable):
    """Somebody, or their network, asks more often than is fair to others (RFC 6585 4)."""

    code = "too-many-requests"


class VaultUnavailable(Unavailable):
    """Vault is away, sealed, or refuses us."""

    code = "vault-unavailable"


class VaultCircuitOpen(VaultUnavailable):
    """Vault failed again and again, and is not asked for a while (said by the readiness)."""

    code = "vault-circuit-open"


class StorageUnavailable(Unavailable):
    """S3 is away or failing."""

    code = "storage-unavailable"


class ConnectionLost(StorageUnavailable):
    """S3 went away in the middle of a transfer; what came so far is good, and the rest may be asked for again."""

    code = "connection-lost"


class ObjectMoved(StorageUnavailable):
    """An object was encrypted anew while it was read; it is read on under its new key."""

    code = "object-moved"


class IssuerUnavailable(Unavailable):
    """An issuer's discovery document or keys cannot be fetched."""

    code = "issuer-unavailable"


class StateUnavailable(Unavailable):
    """The database is away or failing."""

    code = "state-unavailable"


class JournalUnavailable(Unavailable):
    """The audit journal cannot be written, so nothing is granted."""

    code = "journal-unavailable"


class CheckpointsLate(Unavailable):
    """The journal grows, and its newest signed or archived checkpoint lies too far behind. Nothing is lost by it."""

    code = "checkpoints-late"


class WitnessUnavailable(Unavailable):
    """A witness cosigns no checkpoint now. The journal is signed without it."""

    code = "witness-unavailable"


class SinkUnavailable(Unavailable):
    """A sink takes no events now; they wait in the journal."""

    code = "sink-unavailable"


class NotTakenUp(Unavailable):
    """An instance does not hold a new secret yet, so the old one stays."""

    code = "not-taken-up"


class GatewayUnavailable(Unavailable):
    """The gateway does not answer (said by the client)."""

    code = "gateway-unavailable"


class LocalError(GatewayError):
    """Something on the caller's own machine is in the way."""

    code = "local-error"


class LocalFileError(LocalError):
    """A local file cannot be read or written."""

    code = "local-file-error"


class DiskFull(LocalError):
    """No space is left on the local disk."""

    code = "disk-full"


class SourceChanged(LocalError):
    """A file changed while it was being pushed."""

    code = "source-changed"


class PortInUse(LocalError):
    """Another process listens on the port."""

    code = "port-in-use"


class StateInUse(LocalError):
    """Another run holds the state directory."""

    code = "state-in-use"


class ProcessFailed(LocalError):
    """A program that we started ended by itself, or did not become ready."""

    code = "process-failed"


def by_code() -> dict[str, type[GatewayError]]:
    """Return every class of the tree under its code.

    >>> by_code()["unknown-tag"] is UnknownTag
    True
    """
    tree: dict[str, type[GatewayError]] = {}
    waiting: list[type[GatewayError]] = [GatewayError]
    while waiting:
        kind = waiting.pop()
        if "code" in vars(kind):  # others are one of these and something else besides
            tree[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return tree
