"""Answers requests to policies of any service, a JSON line each: `gateway policy evaluate`.

A line is `{"policies": [POLICY, …], "request": {"principal": …, "action": …, "resource": …, "context": {…}}}`; its
answer is `{"decision": …, "statements": […], "errors": […]}`. Whatever the line holds, it gets an answer.
"""

import json
from collections.abc import Iterator, Sequence
from typing import BinaryIO, TypeAlias

from gateway.policy.compiled import Statements
from gateway.policy.decide import judge
from gateway.policy.document import Dialect, Document
from gateway.policy.findings import Refusal
from gateway.policy.grammar import read_node
from gateway.policy.query import Query
from gateway.policy.request import members_of, read_request
from gateway.policy.scanner import MAX_BYTES, Node, scan

MAX_LINE = 8 * 1024 * 1024
"""Bytes of one line; each policy in it is bounded on its own, as a file is."""
INVALID = "invalid"

Answer: TypeAlias = dict[str, object]

_LINE = ("policies", "request")


def answers(lines: BinaryIO) -> Iterator[str]:
    """Yield the answer to each line, as one line of JSON."""
    while line := lines.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            _skip_rest(line, lines)
            yield json.dumps(_invalid([f"The line is longer than {MAX_LINE:,} bytes."]))
        else:
            yield json.dumps(answer(line))


def _skip_rest(line: bytes, lines: BinaryIO) -> None:
    while line and not line.endswith(b"\n"):
        line = lines.readline(MAX_LINE)


def answer(line: bytes) -> Answer:
    r"""Answer one line.

    >>> answer(b'{"policies": [], "request": {"principal": "ada", "action": "s3:GetObject", "resource": "a"}}')
    {'decision': 'implicitDeny', 'statements': [], 'errors': []}
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return _invalid([f"Byte {error.start} of the line is not UTF-8."])
    faults: list[Refusal] = []
    try:
        members = members_of(scan(text, max_bytes=MAX_LINE), "The line", _LINE, required=_LINE)
        query = read_request(members["request"])
        documents = list(_documents(members["policies"], text, faults))
    except Refusal as refusal:
        faults.append(refusal)
    if faults:
        return _invalid([_describe(fault) for fault in faults])
    return _judged(documents, query)


def _invalid(errors: Sequence[str]) -> Answer:
    return {"decision": INVALID, "statements": [], "errors": list(errors)}


def _describe(fault: Refusal) -> str:
    return f"column {fault.offset + 1}: {fault.message} {fault.suggestion}".rstrip()


def _judged(documents: Sequence[Document], query: Query) -> Answer:
    outcome, deciding = judge([Statements(tuple(documents))], query)
    order = [statement.label for document in documents for statement in document.statements if statement in deciding]
    return {"decision": str(outcome), "statements": order, "errors": []}


def _documents(node: Node, text: str, faults: list[Refusal]) -> Iterator[Document]:
    if not isinstance(node.value, list):
        raise Refusal(node.offset, "'policies' is a list of policies.")
    for index, item in enumerate(node.value):
        if len(text[item.offset : item.end].encode()) > MAX_BYTES:
            raise Refusal(item.offset, f"This policy is longer than {MAX_BYTES:,} bytes.", "Split it.")
        yield read_node(item, text, str(index), Dialect.GENERIC, faults)
