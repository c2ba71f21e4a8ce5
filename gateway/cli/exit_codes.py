"""Which exit code each error has. One table; the tens are the family, so that a script can ask for either.

0 is success, 2 a wrong command line (as in most shells' tools), 130 an interruption (128 + SIGINT).
"""

from collections.abc import Iterator
from itertools import groupby

from gateway import errors

UNEXPECTED = 1
USAGE = 2
INTERRUPTED = 130

_CODES: dict[type[errors.GatewayError], int] = {
    errors.GatewayError: UNEXPECTED,
    errors.InvalidInput: 10,
    errors.InvalidName: 11,
    errors.InvalidPath: 12,
    errors.TooLarge: 13,
    errors.RangeNotSatisfiable: 14,
    errors.InvalidPolicy: 15,
    errors.InvalidConfiguration: 16,
    errors.InvalidRequest: 17,
    errors.EventRefused: 18,
    errors.Unauthenticated: 20,
    errors.UnknownIssuer: 21,
    errors.TokenExpired: 22,
    errors.WrongAudience: 23,
    errors.LoginFailed: 24,
    errors.InvalidToken: 25,
    errors.StepUpRequired: 26,
    errors.TokenRevoked: 27,
    errors.InvalidDpopProof: 28,
    errors.UseDpopNonce: 29,
    errors.AccessDenied: 30,
    errors.LinkRefused: 31,
    errors.LinkExpired: 32,
    errors.Revoked: 33,
    errors.NotFound: 40,
    errors.UnknownResource: 41,
    errors.UnknownVersion: 42,
    errors.UnknownTag: 43,
    errors.UnknownPath: 44,
    errors.UnknownPush: 45,
    errors.UnknownLease: 46,
    errors.Shredded: 47,
    errors.Conflict: 50,
    errors.VersionExists: 51,
    errors.PushClosed: 52,
    errors.IncompleteUpload: 53,
    errors.StillNeeded: 54,
    errors.RotationHeld: 55,
    errors.VaultRefused: 56,
    errors.IntegrityError: 60,
    errors.WrongKey: 61,
    errors.CiphertextTampered: 62,
    errors.CiphertextTruncated: 63,
    errors.ContentMismatch: 64,
    errors.JournalBroken: 65,
    errors.InvalidProof: 66,
    errors.ObjectMissing: 68,
    errors.NotShredded: 69,
    errors.SecretStillGood: 67,
    errors.Unavailable: 70,
    errors.VaultUnavailable: 71,
    errors.StorageUnavailable: 72,
    errors.IssuerUnavailable: 73,
    errors.StateUnavailable: 74,
    errors.JournalUnavailable: 75,
    errors.GatewayUnavailable: 76,
    errors.ConnectionLost: 77,
    errors.SinkUnavailable: 78,
    errors.CheckpointsLate: 79,
    errors.LocalError: 80,
    errors.LocalFileError: 81,
    errors.DiskFull: 82,
    errors.SourceChanged: 83,
    errors.PortInUse: 84,
    errors.StateInUse: 85,
    errors.ProcessFailed: 86,
}


def exit_code(error: errors.GatewayError) -> int:
    """Return the error's code: its own class's, else that of the nearest class above it.

    >>> exit_code(errors.DiskFull("no room"))
    82
    """
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def table() -> Iterator[str]:
    """Yield the codes for people to read, a line for each family."""
    yield "0 done, 1 unexpected failure, 2 wrong command line, 130 interrupted"
    known = ((number, kind.code) for kind, number in _CODES.items() if number != UNEXPECTED)
    for _, family in groupby(known, lambda row: row[0] // 10):
        yield ", ".join(f"{number} {code}" for number, code in family)
