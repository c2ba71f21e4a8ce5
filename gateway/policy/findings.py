"""What is wrong with a policy, and where. Errors refuse it, warnings do not."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, at one place.

    >>> print(Finding("a.json", 3, 7, Severity.ERROR, "syntax", "Effect is missing.", "Add it."))
    a.json:3:7: error: Effect is missing. Add it. [syntax]
    """

    file: str
    line: int
    """Counted from 1."""
    column: int
    """In characters, counted from 1."""
    severity: Severity
    code: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        advice = f" {self.suggestion}" if self.suggestion else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}{advice} [{self.code}]"


class Refusal(Exception):
    """A rule of JSON or of the language is broken at an offset. Stays inside this package, which knows the file."""

    def __init__(self, offset: int, message: str, suggestion: str = "", *, code: str = "language") -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.suggestion = suggestion
        self.code = code

    def finding(self, file: str, text: str) -> Finding:
        """Return it with its place in `text`."""
        line, column = place(text, self.offset)
        return Finding(file, line, column, Severity.ERROR, self.code, self.message, self.suggestion)


def place(text: str, offset: int) -> tuple[int, int]:
    r"""Return the line and the column of an offset, both from 1.

    >>> place("{\n  1", 4)
    (2, 3)
    """
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - start + 1
