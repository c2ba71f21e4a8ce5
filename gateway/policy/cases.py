"""Runs the cases beside each policy, and tells which statements and condition branches no case reached.

`research.json` has its cases in `research.cases.json`:

    {"cases": [{"name": "…", "request": {"principal": …, "action": …, "resource": …, "context": {…}},
                "decision": "allow", "statements": ["ReadVision"], "scope": "policy"}]}

A request is written as for `gateway policy evaluate`. `statements` may be left out. A case asks its own policy
alone, or with `"scope": "folder"` all policies together.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import InvalidPolicy
from gateway.model import Outcome
from gateway.policy.compiled import Statements, action_test, resource_test
from gateway.policy.decide import judge
from gateway.policy.document import Document, Statement
from gateway.policy.explain import is_for
from gateway.policy.findings import Refusal, place
from gateway.policy.folder import CASES, invalid, policy_files, read_policy, read_text
from gateway.policy.query import Query
from gateway.policy.request import members_of, read_request, text_of
from gateway.policy.scanner import Node, scan

_CASE = ("name", "request", "decision", "statements", "scope")
_SCOPES = ("policy", "folder")


@dataclass(frozen=True, slots=True)
class Case:
    """One request with the answer that it should get."""

    file: str
    line: int
    name: str
    query: Query
    outcome: Outcome
    statements: frozenset[str] | None
    """Which should decide; None if any may."""
    whole_folder: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case."""

    file: str
    line: int
    name: str
    fault: str
    """Empty if it passed."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What no case reached."""

    file: str
    line: int
    statement: str
    missing: str


@dataclass(frozen=True, slots=True)
class Report:
    """All results and gaps of a folder."""

    results: tuple[Result, ...]
    gaps: tuple[Gap, ...]

    @property
    def passed(self) -> bool:
        """Whether every case did. No case at all proves nothing."""
        return bool(self.results) and not any(result.fault for result in self.results)


@dataclass(slots=True)
class _Reached:
    """What the cases saw of one statement."""

    matched: bool = False
    met: set[int] = field(default_factory=set)
    """Conditions that held in some case, by index."""
    failed: set[int] = field(default_factory=set)


def run_cases(directory: Path) -> Report:
    """Run all cases of a folder of policies.

    Raises:
        InvalidPolicy: a policy or a cases file cannot be read; names the place.
    """
    documents = dict(_documents(directory))
    folder = Statements(tuple(documents.values()))
    reached: dict[Statement, _Reached] = defaultdict(_Reached)
    results: list[Result] = []
    for path, document in documents.items():
        own = Statements((document,))
        for case in read_cases(path.with_name(path.stem + CASES)):
            asked = folder if case.whole_folder else own
            results.append(_run(case, asked))
            _note_reached(reached, asked, case.query)
    gaps = [gap for path, document in documents.items() for gap in _gaps(path, document, reached)]
    return Report(tuple(results), tuple(gaps))


def _documents(directory: Path) -> Iterator[tuple[Path, Document]]:
    paths = policy_files(directory)
    if not paths:
        raise InvalidPolicy(f"{directory} holds no policy.", hint="Put at least one *.json file there.")
    for path in paths:
        document, faults = read_policy(path)
        if document is None:
            raise invalid(faults)
        yield path, document


def read_cases(path: Path) -> list[Case]:
    """Read a cases file; none is no cases.

    Raises:
        InvalidPolicy: it is not of the form above.
    """
    if not path.exists():
        return []
    text = read_text(path)
    try:
        members = members_of(scan(text), "A cases file", ("cases",), required=("cases",))
        return [_case(node, path.name, text) for node in _list(members["cases"], "'cases'")]
    except Refusal as refusal:
        raise invalid([refusal.finding(str(path), text)]) from refusal


def _case(node: Node, file: str, text: str) -> Case:
    members = members_of(node, "A case", _CASE, required=_CASE[:3])
    outcome = text_of(members["decision"], "'decision'")
    if outcome not in set(Outcome):
        raise Refusal(members["decision"].offset, "A decision is allow, explicitDeny or implicitDeny.")
    scope = text_of(members["scope"], "'scope'") if "scope" in members else _SCOPES[0]
    if scope not in _SCOPES:
        raise Refusal(members["scope"].offset, "A scope is policy or folder.")
    return Case(
        file,
        place(text, node.offset)[0],
        text_of(members["name"], "'name'"),
        read_request(members["request"]),
        Outcome(outcome),
        _names(members),
        scope == _SCOPES[1],
    )


def _names(members: Mapping[str, Node]) -> frozenset[str] | None:
    if "statements" not in members:
        return None
    return frozenset(text_of(item, "A statement") for item in _list(members["statements"], "'statements'"))


def _list(node: Node, what: str) -> list[Node]:
    if not isinstance(node.value, list):
        raise Refusal(node.offset, f"{what} is a list.")
    return node.value


def _run(case: Case, asked: Statements) -> Result:
    outcome, deciding = judge([asked], case.query)
    names = {statement.name if case.whole_folder else str(statement.label) for statement in deciding}
    fault = ""
    if outcome is not case.outcome:
        fault = f"expected {case.outcome}, got {outcome}{_by(names)}"
    elif case.statements is not None and names != case.statements:
        fault = f"expected it{_by(case.statements)}, got it{_by(names)}"
    return Result(case.file, case.line, case.name, fault)


def _by(names: Sequence[str] | frozenset[str] | set[str]) -> str:
    return f" by {', '.join(sorted(names))}" if names else " by no statement"


def _note_reached(reached: dict[Statement, _Reached], asked: Statements, query: Query) -> None:
    for document in asked.documents:
        for statement in document.statements:
            if _is_about(statement, query):
                seen = reached[statement]
                answers = [condition.test(query) for condition in statement.conditions]
                seen.matched |= all(answers)
                seen.met |= {index for index, answer in enumerate(answers) if answer}
                seen.failed |= {index for index, answer in enumerate(answers) if not answer}


def _is_about(statement: Statement, query: Query) -> bool:
    return (
        is_for(statement, query.principals)
        and action_test(statement)(query.action)
        and resource_test(statement)(query.resource, query)
    )


def _gaps(path: Path, document: Document, reached: Mapping[Statement, _Reached]) -> Iterator[Gap]:
    for statement in document.statements:
        seen = reached.get(statement, _Reached())

        def gap(offset: int, missing: str, name: str = statement.name) -> Gap:
            return Gap(path.name, place(document.text, offset)[0], name, missing)

        if not seen.matched:
            yield gap(statement.offset, "no case matches it")
        for index, condition in enumerate(statement.conditions):
            asked = f"{condition.operator} on {condition.key.value}"
            if index not in seen.met:
                yield gap(condition.key.offset, f"no case meets {asked}")
            if index not in seen.failed:
                yield gap(condition.key.offset, f"no case fails {asked}")
