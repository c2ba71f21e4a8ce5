"""`gateway policy`: check policies, and ask what they allow: local files, without a server, or those in force."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.model import AccessRequest, Principal
    from gateway.policy.cases import Report
    from gateway.policy.explain import Explanation
    from gateway.policy.findings import Finding

app = typer.Typer(no_args_is_help=True, help="Check policies, and ask what they allow.")

_REFUSED = 2
_FAILED = 1
_STDIN = "-"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


@app.command()
def evaluate(_json: Annotated[bool, typer.Option("--json", help="Print JSON, as it does anyway.")] = False) -> None:
    """Answer requests to the policies beside them: JSON lines in, JSON lines out, each at once.

    A line is {"policies": [...], "request": {"principal": ..., "action": ..., "resource": ..., "context": {...}}},
    of any service's actions, ARNs and keys.

    Example: gateway policy evaluate < requests.jsonl
    """
    from gateway.policy.evaluate import answers  # noqa: PLC0415 -- each command loads its own part

    for line in answers(sys.stdin.buffer):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@app.command()
def lint(
    path: Annotated[str, typer.Argument(help="A policy, a folder of them, or - for the standard input.")] = "policies",
    generic: Annotated[
        bool, typer.Option("--generic", help="Judge the language alone, not the gateway's actions and keys.")
    ] = False,
    as_json: Json = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0.")] = False,
) -> None:
    """Find mistakes; exits 2 if a policy would be refused. Warnings are about what is legal but wrong.

    Example: gateway policy lint policies
    """
    from gateway.policy.lint import refused  # noqa: PLC0415 -- each command loads its own part

    findings = _findings(path, generic=generic)
    if as_sarif:
        from gateway.policy.sarif import sarif  # noqa: PLC0415 -- the same

        typer.echo(json.dumps(sarif(findings)))
    elif as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            typer.echo(str(finding))
    if refused(findings):
        raise typer.Exit(_REFUSED)


def _findings(path: str, *, generic: bool) -> "list[Finding]":
    from gateway.policy.document import Dialect  # noqa: PLC0415 -- each command loads its own part
    from gateway.policy.lint import lint_bytes, lint_path  # noqa: PLC0415 -- the same
    from gateway.policy.scanner import MAX_BYTES  # noqa: PLC0415 -- the same

    dialect = Dialect.GENERIC if generic else Dialect.GATEWAY
    if path == _STDIN:
        return lint_bytes(sys.stdin.buffer.read(MAX_BYTES + 1), _STDIN, dialect)
    return lint_path(Path(path), dialect)


@app.command("test")
def run_cases(
    folder: Annotated[Path, typer.Argument(help="Policies, each with its cases beside it.")] = Path("policies"),
    strict: Annotated[bool, typer.Option("--strict", help="Fail as well if a case reaches too little.")] = False,
    as_json: Json = False,
) -> None:
    """Run the cases beside each policy, and tell what no case reached; exits 1 if a case fails.

    Example: gateway policy test policies
    """
    from gateway.policy import cases  # noqa: PLC0415 -- each command loads its own part

    report = cases.run_cases(folder)
    if as_json:
        typer.echo(json.dumps(asdict(report) | {"passed": report.passed}))
    else:
        _show_report(report)
    if not report.passed or (strict and report.gaps):
        raise typer.Exit(_FAILED)


def _show_report(report: "Report") -> None:
    failed = [result for result in report.results if result.fault]
    for result in failed:
        typer.echo(f"{result.file}:{result.line}: {result.name}: {result.fault}")
    for gap in report.gaps:
        typer.echo(f"{gap.file}:{gap.line}: {gap.statement}: {gap.missing}")
    cases = f"{len(report.results)} cases, {len(failed)} failed" if report.results else "There are no cases"
    typer.echo(f"{cases}; {len(report.gaps)} statements or branches not reached.")


@app.command()
def explain(
    action: Annotated[str, typer.Argument(help="Such as gateway:ReadFile.")],
    resource: Annotated[str, typer.Argument(help="Such as dataset/vision/digits/v1/train.csv.")],
    policies: Annotated[
        Path | None, typer.Option(help="The folder of policies; else ./policies.", show_default=False)
    ] = None,
    in_force: Annotated[
        bool, typer.Option("--in-force", help="Ask the gateway about the policies that it decides by.")
    ] = False,
    user: Annotated[str, typer.Option(help="Ask for this person.")] = "",
    workload: Annotated[str, typer.Option(help="Ask for this workload.")] = "",
    group: Annotated[list[str] | None, typer.Option(help="One of their groups; repeat it.")] = None,
    issuer: Annotated[str, typer.Option(help="Who vouches for them.")] = "people",
    context: Annotated[list[str] | None, typer.Option(help="A condition key, as KEY=VALUE; repeat it.")] = None,
    as_json: Json = False,
    url: Annotated[str | None, typer.Option(help="With --in-force: the gateway.", show_default=False)] = None,
    profile: Annotated[str | None, typer.Option(help="With --in-force: the login.", show_default=False)] = None,
) -> None:
    """Say which statements decide, which nearly did, and what would have to change.

    With --in-force, without a user or workload, it is about yourself, by the login that you have.

    Example: gateway policy explain gateway:ReadFile dataset/vision/digits/v1/a.csv --user ivan --group interns
    """
    if in_force and policies:
        raise InvalidInput("--policies is a local folder, and --in-force means the gateway's.", hint="Give one.")
    if (url or profile) and not in_force:
        raise InvalidInput("A local folder needs no gateway.", hint="Add --in-force to ask the gateway.")
    facts = _facts(context or [])
    if in_force:
        from gateway.cli.in_force import explain as explain_request  # noqa: PLC0415 -- each command loads its own part

        someone = _principal(user, workload, group or [], issuer) if user or workload or group else None
        explanation = explain_request(someone, action, resource, facts, url=url, profile=profile)
    else:
        from gateway.policy import load_policies  # noqa: PLC0415 -- the same
        from gateway.policy.explain import explain as explain_locally  # noqa: PLC0415 -- the same

        asked = _request(_principal(user, workload, group or [], issuer), action, resource, facts)
        explanation = explain_locally(load_policies(policies or Path("policies")), asked)
    if as_json:
        typer.echo(json.dumps(asdict(explanation) | {"advice": explanation.advice}))
    else:
        _show_explanation(explanation)


def _principal(user: str, workload: str, groups: list[str], issuer: str) -> "Principal":
    from gateway.model import Principal, PrincipalKind  # noqa: PLC0415 -- each command loads its own part

    if bool(user) == bool(workload):
        raise InvalidInput("Say for whom to ask.", hint="Give either --user NAME or --workload NAME.")
    kind = PrincipalKind.USER if user else PrincipalKind.WORKLOAD
    return Principal(issuer, user or workload, kind, user or workload, frozenset(groups))


def _facts(context: list[str]) -> dict[str, tuple[str, ...]]:
    facts: dict[str, tuple[str, ...]] = {}
    for pair in context:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise InvalidInput(f"{pair[:80]!r} is no condition key with a value.", hint="Write KEY=VALUE.")
        facts[key] = (*facts.get(key, ()), value)
    return facts


def _request(
    principal: "Principal", action: str, resource: str, facts: "Mapping[str, tuple[str, ...]]"
) -> "AccessRequest":
    from gateway.clock import utc_now  # noqa: PLC0415 -- each command loads its own part
    from gateway.model import AccessRequest  # noqa: PLC0415 -- the same
    from gateway.policy.context import context_of  # noqa: PLC0415 -- the same

    return AccessRequest(principal, action, resource, context_of(principal, now=utc_now(), secure=True, extra=facts))


def _show_explanation(explanation: "Explanation") -> None:
    decision = explanation.decision
    by = f" by {', '.join(decision.statements)}" if decision.statements else ""
    typer.echo(f"{decision.outcome}{by} (policies {decision.policy_digest[:12]})")
    for one in explanation.statements:
        typer.echo(f"  {'matched' if one.matched else 'nearly '}  {one.effect:5}  {one.name}")
    for line in explanation.advice:
        typer.echo(f"- {line}")
    if decision.step_up:
        typer.echo(f"- A new login with {decision.step_up} would be enough.")
