"""What was probably meant, when a name is not found."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from itertools import islice

from gateway.client import Gateway, Reference
from gateway.errors import GatewayError, NotFound, UnknownPath, UnknownResource

_LOOKED_AT = 2000
"""Names that are compared at most."""


@contextmanager
def suggesting(gateway: Gateway, wanted: Reference) -> Iterator[None]:
    """Add to a NotFound the names that are close to the wanted one and that the caller may see."""
    try:
        yield
    except (UnknownResource, UnknownPath) as error:
        close: list[str] = []
        with suppress(GatewayError):  # the suggestion is a courtesy, and not worth another failure
            close = _close(gateway, wanted, error)
        if not close:
            raise
        raise type(error)(error.message, hint=f"Did you mean {' or '.join(close)}?") from error


def _close(gateway: Gateway, wanted: Reference, error: NotFound) -> list[str]:
    if isinstance(error, UnknownResource):
        names = (str(found.name) for found in gateway.resources(kind=wanted.resource.kind))
        return get_close_matches(str(wanted.resource), islice(names, _LOOKED_AT), n=2)
    whole = Reference(wanted.resource, wanted.version)
    paths = (file.path for file in gateway.files(whole))
    return [f"{whole}/{path}" for path in get_close_matches(wanted.path, islice(paths, _LOOKED_AT), n=2)]
