"""Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines."""

from collections.abc import Iterable, Mapping

from gateway import __version__
from gateway.policy.findings import Finding, Severity
from gateway.policy.notes import RULES

_ERRORS = {
    "language": "The document breaks the policy language.",
    "syntax": "The document is not JSON.",
    "too-large": "The document is over a limit.",
    "unreadable": "The file cannot be read.",
}


def sarif(findings: Iterable[Finding]) -> Mapping[str, object]:
    """Return the log of one run.

    >>> sarif([])["version"]
    '2.1.0'
    """
    rules = [{"id": code, "shortDescription": {"text": text}} for code, text in (_ERRORS | RULES).items()]
    driver = {"name": "gateway policy lint", "version": __version__, "rules": rules}
    results = [_result(finding) for finding in findings]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _result(finding: Finding) -> Mapping[str, object]:
    return {
        "ruleId": finding.code,
        "level": "error" if finding.severity is Severity.ERROR else "warning",
        "message": {"text": f"{finding.message} {finding.suggestion}".rstrip()},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": finding.file},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
    }
