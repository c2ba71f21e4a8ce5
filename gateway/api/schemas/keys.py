"""Key rotations, as JSON."""

from gateway.api.schemas.wire import Wire


class RotationOut(Wire):
    """What a rotation did."""

    kek_version: int
    rewrapped: int
