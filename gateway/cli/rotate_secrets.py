"""`gateway rotate-secrets`: every secret that the gateway has is replaced, and the old one proved dead."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import anyio
import typer

from gateway.cli.console import Json, write_json, write_rows
from gateway.cli.exit_codes import exit_code
from gateway.cli.report import report
from gateway.clock import utc_now
from gateway.errors import GatewayError, InvalidConfiguration
from gateway.model import Secret
from gateway.rotation.assemble import assemble
from gateway.rotation.machine import Result, Standing, State, worst
from gateway.rotation.steps import Step
from gateway.settings import Settings, load

WAITING = 3
"""The exit code of a run that has done what it can, and is to come again when an overlap has ended."""


def rotate_secrets(
    config: Annotated[Path, typer.Option(help="The gateway's settings file.")] = Path("gateway.toml"),
    only: Annotated[
        list[Secret] | None, typer.Option("--only", help="Replace this one now; may be given again.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Replace all of them now, due or not.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Say how old each is, and when it is due.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the overlaps of the old ones have ended.")] = False,
    as_json: Json = False,
) -> None:
    """Replace those of the gateway's own secrets that are due, and go on with those under way.

    Each new one is made, published, taken up by every instance, and tried; each old one stays for as long as what it
    made may live, is revoked then, and tried until it is dead. Killed at any moment, the next run goes on from there.

    Exits 0 when all is done, 3 when an overlap must end first (run it again), 55 when another run is at work, and with
    the code of what failed otherwise.

    Example: gateway rotate-secrets --config /etc/gateway/gateway.toml --list
    """
    settings = load(config)
    if show or dry_run:
        standings = anyio.run(_look, settings)
        chosen = _chosen(standings, only or [], everything=everything) if dry_run else None
        _write_standings(standings, chosen, as_json=as_json)
        _end([one.fault for one in standings], as_json=as_json)
        return
    results = anyio.run(_replace, settings, only or [], everything, wait, not as_json)
    _write_results(results, as_json=as_json)
    _end([worst(results)], as_json=as_json)
    if any(result.state is State.WAITING for result in results):
        raise typer.Exit(WAITING)


async def _look(settings: Settings) -> list[Standing]:
    async with assemble(settings, utc_now) as rotation:
        return await rotation.standings()


async def _replace(
    settings: Settings, only: Sequence[Secret], everything: bool, wait: bool, aloud: bool
) -> list[Result]:
    async with assemble(settings, utc_now, told=_tell if aloud else _silent) as rotation:
        chosen = _chosen(await rotation.standings(), only, everything=everything)
        return await rotation.run(chosen, wait=wait)


def _chosen(standings: Sequence[Standing], only: Sequence[Secret], *, everything: bool) -> list[Secret]:
    """Return what is to be replaced: what was named; else what is due or under way, or cannot be looked at."""
    there = {one.secret: one for one in standings}
    missing = [secret for secret in only if secret not in there]
    if missing:
        raise InvalidConfiguration(f"This gateway has no {', '.join(missing)}.", hint=f"It has: {', '.join(there)}.")
    if only or everything:
        return list(dict.fromkeys(only or there))
    now = utc_now()
    return [one.secret for one in standings if one.fault or one.step or (one.due_at and one.due_at <= now)]


def _end(faults: Sequence[GatewayError | None], *, as_json: bool) -> None:
    """Report the first fault, and exit with its code."""
    fault = next(filter(None, faults), None)
    if fault:
        report(fault, as_json=as_json)
        raise typer.Exit(exit_code(fault))


def _tell(secret: Secret, step: Step, noted: bool) -> None:
    if noted:
        sys.stderr.write(f"{secret}: {step}\n")


def _silent(*_: object) -> None:
    """Say nothing."""


def _write_standings(standings: Sequence[Standing], chosen: Sequence[Secret] | None, *, as_json: bool) -> None:
    shown = [one for one in standings if chosen is None or one.secret in chosen]
    if as_json:
        write_json([_json(one, would=chosen is not None) for one in shown])
        return
    rows = [(one.secret.value, _age(one), _due(one), _next(one, would=chosen is not None)) for one in shown]
    write_rows(("secret", "age", "due", "steps"), rows)


def _json(one: Standing, *, would: bool) -> dict[str, object]:
    said: dict[str, object] = {
        "secret": one.secret,
        "present": one.present or None,
        "made_at": one.made_at,
        "due_at": one.due_at,
        "under_way": one.step,
        "fault": one.fault.code if one.fault else None,
    }
    return said | ({"steps": _left(one)} if would else {})


def _age(one: Standing) -> str:
    if not one.present:
        return "cannot be looked at" if one.fault else "there is none"
    return f"{(utc_now() - one.made_at).days} days" if one.made_at else "unknown"


def _due(one: Standing) -> str:
    if one.due_at is None:
        return "-"
    return "now" if one.due_at <= utc_now() else f"{one.due_at:%Y-%m-%d}"


def _next(one: Standing, *, would: bool) -> str:
    if would:
        return ", ".join(_left(one))
    return f"under way: {one.step} is next" if one.step else ""


def _left(one: Standing) -> list[str]:
    """Return the steps that are left of its rotation."""
    steps = [step.value for step in Step]
    return steps[steps.index(one.step) :] if one.step else steps


def _write_results(results: Sequence[Result], *, as_json: bool) -> None:
    if as_json:
        write_json(
            [
                {
                    "secret": one.secret,
                    "state": one.state,
                    "until": one.until,
                    "fault": one.fault.code if one.fault else None,
                    "detail": one.fault.message if one.fault else None,
                }
                for one in results
            ]
        )
        return
    write_rows(("secret", "state", ""), [(one.secret.value, one.state.value, _detail(one)) for one in results])


def _detail(one: Result) -> str:
    if one.fault:
        return one.fault.message
    return f"until {_moment(one.until)}" if one.until else ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
