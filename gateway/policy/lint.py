"""Finds what is legal in a policy and yet wrong: what never matches, matches too much, or gives a secret away.

Each check is a function from a statement to notes. A note stands at an offset of the document and becomes a finding.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from gateway.errors import InvalidPolicy
from gateway.policy import doubts, smells, texts
from gateway.policy.document import Dialect, Document
from gateway.policy.findings import Finding, Severity, place
from gateway.policy.folder import decode, policy_files, read_policy
from gateway.policy.grammar import read_document
from gateway.policy.notes import Note
from gateway.policy.shadow import shadowed

Files: TypeAlias = list[tuple[str, Document]]
"""Documents and the files that they come from."""


def lint_bytes(data: bytes, file: str, dialect: Dialect) -> list[Finding]:
    """Judge one document. In the generic dialect the language alone, not our actions and keys.

    >>> [finding.code for finding in lint_bytes(b'{"Statement": []}', "-", Dialect.GENERIC)]
    ['language']
    """
    try:
        text = decode(data)
    except InvalidPolicy as error:
        return [Finding(file, 1, 1, Severity.ERROR, "unreadable", error.message, error.hint)]
    document, faults = read_document(text, Path(file).stem, dialect, file=file)
    if document is None or dialect is Dialect.GENERIC:
        return faults
    return warnings([(file, document)])


def lint_path(path: Path, dialect: Dialect = Dialect.GATEWAY) -> list[Finding]:
    """Judge a policy file, or a folder of them, together.

    Raises:
        InvalidPolicy: there is nothing there.
    """
    paths = policy_files(path) if path.is_dir() else [path]
    if not paths:
        raise InvalidPolicy(f"{path} holds no policy.", hint="Put at least one *.json file there.")
    findings: list[Finding] = []
    files: Files = []
    for one in paths:
        document, faults = read_policy(one, dialect)
        findings += faults
        files += [(str(one), document)] if document else []
    return sorted(findings if dialect is Dialect.GENERIC else findings + warnings(files))


def warnings(files: Files) -> list[Finding]:
    """Return what is wrong with documents that are legal, in order of their places."""
    findings: list[Finding] = []
    others = list(shadowed([document for _, document in files]))
    for file, document in files:
        own = [note for name, note in others if name == document.name]
        findings += [_finding(file, document, note) for note in (*_notes(document), *own)]
    return sorted(findings)


def _notes(document: Document) -> Iterator[Note]:
    for check in texts.CHECKS:
        yield from check(document)
    for statement in document.statements:
        for statement_check in (*smells.CHECKS, *doubts.CHECKS):
            yield from statement_check(statement)


def _finding(file: str, document: Document, note: Note) -> Finding:
    line, column = place(document.text, note.offset)
    return Finding(file, line, column, Severity.WARNING, note.code, note.message, note.suggestion)


def refused(findings: Iterable[Finding]) -> bool:
    """Tell whether one of the findings is an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)
