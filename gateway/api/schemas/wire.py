"""What all of the JSON over the wire shares. Requests refuse unknown fields."""

import base64
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway import model

MAX_BATCH = 1000
"""Items that one request may ask for."""
MAX_FILE_BYTES = 1 << 50
MAX_SECONDS = 366 * 86_400
"""More than any setting lets through; a number that is a time."""
Path = Annotated[str, Field(description=f"Relative, '/'-separated, at most {model.MAX_PATH_BYTES} bytes.")]
"""`gateway.model.check_path` says what is wrong with it, by name; the body's own limit bounds it before."""
LeaseId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MAX_NUMBER = 999_999_999
"""Of a version, as `VersionRef` spells it; more than a push has objects."""
VersionNumber = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Shown = Annotated[str, Field(max_length=1000), AfterValidator(model.check_shown)]
"""What one person writes and others are shown."""


class Wire(BaseModel):
    """A value of the wire."""

    model_config = ConfigDict(extra="forbid")


def base64url(key: bytes) -> str:
    """Return a key as the wire has it: base64url without padding (RFC 4648 5)."""
    return base64.urlsafe_b64encode(key).decode().rstrip("=")
