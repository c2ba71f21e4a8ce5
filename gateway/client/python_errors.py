"""Our errors as Python's own besides: who reads through a file system catches FileNotFoundError, not UnknownPath."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import AccessDenied, Conflict, GatewayError, InvalidInput, NotFound


class MissingFile(NotFound, FileNotFoundError):
    """There is no such file, version, dataset or model."""

    errno = errno.ENOENT


class ForbiddenFile(AccessDenied, PermissionError):
    """Policy says no."""

    errno = errno.EACCES


class ExistingFile(Conflict, FileExistsError):
    """It is there already, or somebody else was first."""

    errno = errno.EEXIST


class InvalidFile(InvalidInput, OSError):
    """The path, or what is to be done with it, breaks a rule."""

    errno = errno.EINVAL


class FailedFile(GatewayError, OSError):
    """Whatever else went wrong; the cause says what."""

    errno = errno.EIO


_KINDS: tuple[tuple[type[GatewayError], type[GatewayError]], ...] = (
    (NotFound, MissingFile),
    (AccessDenied, ForbiddenFile),
    (Conflict, ExistingFile),
    (InvalidInput, InvalidFile),
    (GatewayError, FailedFile),
)


@contextmanager
def python_errors() -> Iterator[None]:
    """Raise what fails inside as an error of ours and of Python's at once, with the first as its cause.

    >>> from gateway.errors import UnknownPath
    >>> try:
    ...     with python_errors():
    ...         raise UnknownPath("There is no 'a.csv'.")
    ... except FileNotFoundError as error:
    ...     error.message, error.code
    ("There is no 'a.csv'.", 'unknown-path')
    """
    try:
        yield
    except OSError:
        raise  # it is one already
    except GatewayError as error:
        kind = next(both for one, both in _KINDS if isinstance(error, one))
        raised = kind(error.message, hint=error.hint)
        raised.code = error.code  # type: ignore[misc]  # the finer code stays
        raise raised from error
