"""Policies from a folder: all or none, so that a mistake in one file never half-changes who may do what."""

from pathlib import Path

from gateway.errors import InvalidPolicy
from gateway.policy.decide import PolicySet
from gateway.policy.document import Dialect, Document
from gateway.policy.findings import Finding, Severity
from gateway.policy.grammar import read_document
from gateway.policy.scanner import MAX_BYTES

MAX_FILES = 2000
CASES = ".cases.json"


def load_policies(directory: Path) -> PolicySet:
    """Read and compile every policy of a folder.

    Raises:
        InvalidPolicy: the folder has none, or one of them breaks the language; names file, line and column.
    """
    documents, faults = read_folder(directory)
    if faults:
        raise invalid(faults)
    return PolicySet(documents)


def policy_files(directory: Path) -> list[Path]:
    """Return the folder's policies by name: each `*.json` that is not a `*.cases.json`."""
    files = sorted(path for path in directory.glob("*.json") if not path.name.endswith(CASES))
    return [path for path in files if not path.name.startswith(".")]


def read_folder(directory: Path) -> tuple[list[Document], list[Finding]]:
    """Return the folder's documents, and all that is wrong with them.

    Raises:
        InvalidPolicy: there is no such folder, or it holds no policy.
    """
    files = policy_files(directory) if directory.is_dir() else []
    if not files:
        raise InvalidPolicy(f"{directory} holds no policy.", hint="Put at least one *.json file there.")
    if len(files) > MAX_FILES:
        raise InvalidPolicy(f"{directory} holds more than {MAX_FILES:,} policies.", hint="Merge some.")
    documents: list[Document] = []
    faults: list[Finding] = []
    for path in files:
        document, found = read_policy(path)
        faults += found
        documents += [document] if document else []
    return documents, faults


def read_policy(path: Path, dialect: Dialect = Dialect.GATEWAY) -> tuple[Document | None, list[Finding]]:
    """Read one policy file. Its name in decisions is the file's without `.json`; in findings it is the path."""
    try:
        text = read_text(path)
    except InvalidPolicy as error:
        return None, [Finding(str(path), 1, 1, Severity.ERROR, "unreadable", error.message, error.hint)]
    return read_document(text, path.stem, dialect, file=str(path))


def read_text(path: Path) -> str:
    """Return the file's text, at most `MAX_BYTES` of it.

    Raises:
        InvalidPolicy: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidPolicy(f"{path} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    return decode(data)


def decode(data: bytes) -> str:
    """Return the text of a policy's bytes.

    Raises:
        InvalidPolicy: there are too many, or they are not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise InvalidPolicy(f"It is larger than {MAX_BYTES:,} bytes.", hint="Split it.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidPolicy(f"Byte {error.start} is not UTF-8.", hint="Save it as UTF-8.") from error


def invalid(faults: list[Finding]) -> InvalidPolicy:
    """Return the error that names the first of the faults."""
    first = faults[0]
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    message = f"{first.file}:{first.line}:{first.column}: {first.message}{more}"
    return InvalidPolicy(message, hint=first.suggestion or "gateway policy lint lists everything.")
