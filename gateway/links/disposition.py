"""Content-Disposition for any name (RFC 6266): a header that no name can break out of."""

import re
from urllib.parse import quote

_ATTR_CHARS = "!#$&+-.^_`|~"
"""RFC 8187 3.2.1: what an extended value holds as it is, beside letters and digits."""
_NEVER = re.compile(r"[\x00-\x1f\x7f/\\]")
"""A saved name holds no control character and no separator, in whatever form it is read."""
_NOT_PLAIN = re.compile(r"[^ !#-$&-\[\]-~]")
"""RFC 6266 appendix D: quotes, backslashes and '%' are read in several ways, and beyond ASCII there is no agreement."""


def attachment(path: str) -> str:
    """Return the header that saves the file under the last name of its path.

    >>> print(attachment("train/größe.csv"))
    attachment; filename="gr__e.csv"; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv
    """
    name = _NEVER.sub("_", path.rpartition("/")[2]) or "download"
    plain = _NOT_PLAIN.sub("_", name)
    extended = quote(name, safe=_ATTR_CHARS, errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"
