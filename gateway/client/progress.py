"""What a transfer tells while it runs. The client prints nothing; whoever wants to show something listens."""

from typing import Protocol


class Progress(Protocol):
    """Is told what happens, by any of a transfer's threads."""

    def expect(self, files: int, size: int) -> None:
        """So many more files and bytes are to come."""

    def moved(self, size: int) -> None:
        """So many bytes of plaintext have gone through."""

    def finished(self, path: str) -> None:
        """The file is whole, here or there."""


class Silent:
    """Listens to nothing."""

    def expect(self, files: int, size: int) -> None:
        """Ignore it."""

    def moved(self, size: int) -> None:
        """Ignore it."""

    def finished(self, path: str) -> None:
        """Ignore it."""
