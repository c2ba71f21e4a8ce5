"""`gateway audit verify`: holds journals against their own chain, what was signed of them, and each other."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from gateway.audit.chain import Report
from gateway.audit.checkpoint import open_checkpoint
from gateway.audit.cosignature import Cosignature, WitnessKey, read_cosignatures
from gateway.audit.entry import Entry, read_entry, read_time
from gateway.audit.evidence import Evidence, verify_signed
from gateway.audit.note import MAX_NOTE_BYTES, VerifierKey
from gateway.audit.record import Head, parse
from gateway.audit.runs import Run, RunsOf, gaps
from gateway.audit.segments import read_lines
from gateway.audit.tree import FOLDER, Tree
from gateway.cli.audit_proofs import PublicKeys, key_lines, read_keys, read_small
from gateway.cli.console import Json, Profile, Url, write_json, write_rows
from gateway.cli.journals import JournalPath, as_local_error, cells_of, find_journals, when
from gateway.client import Gateway
from gateway.errors import InvalidInput, InvalidProof, JournalBroken

_PAGE = 10_000


def verify(
    journal: JournalPath = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List every event: who, what, when, and the decision.")
    ] = False,
    head: Annotated[
        str | None,
        typer.Option(metavar="SEQ:HASH", help="A head that was noted earlier: the journal must still contain it."),
    ] = None,
    keys: PublicKeys = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A checkpoint that was noted earlier or archived: the journal must agree with it.",
            show_default=False,
        ),
    ] = None,
    witnesses: Annotated[
        list[str] | None,
        typer.Option(
            "--witness",
            metavar="KEY",
            help="A witness's verifier key, or a file of them: it must have cosigned a checkpoint. May be given again.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    profile: Profile = None,
) -> None:
    """Prove that no record of the journal was altered, removed, reordered or inserted; else name the first that was.

    A journal on this machine is held against every checkpoint that was signed of it; give the log's key with
    --public-key, since who changes a journal can change a key beside it. Through the gateway, or without checkpoints,
    a journal that was cut short or written anew shows only against a --head or --checkpoint noted before.

    Runs that were not closed in good order are listed, with what was cut of them, and when no gateway was running.

    Example: gateway audit verify --journal /var/lib/gateway/audit --public-key gateway.vkey
    """
    against = _Against(
        read_keys(keys or []),
        [read_small(file, MAX_NOTE_BYTES) for file in checkpoints or []],
        _read_head(head) if head else None,
        listed,
        [WitnessKey.parse(line) for line in key_lines(witnesses or [])],
    )
    if checkpoints and not keys:
        raise InvalidInput("A checkpoint shows nothing without the log's key.", hint="Name it: --public-key FILE.")
    if journal is None:
        with Gateway(url, profile=profile) as gateway:
            found = _verify_one(_pages(gateway), against, None)
        _tell(found, against, as_json=as_json)
        return
    folders = find_journals(journal)
    if len(folders) > 1 and (against.checkpoints or against.head):
        hint = f"Name its folder, like {folders[0]}."
        raise InvalidInput(f"A head or checkpoint is of one journal, and there are {len(folders)}.", hint=hint)
    _require_whole(_verify_each(folders, against, as_json=as_json))


@dataclass(frozen=True, slots=True)
class _Against:
    """What the caller wants journals to be held against."""

    keys: list[VerifierKey]
    checkpoints: list[bytes]
    head: Head | None
    listed: bool
    """Whether every record is to be shown."""
    witnesses: list[WitnessKey]
    """Each of them must have cosigned a checkpoint."""


def _verify_each(folders: Sequence[Path], against: _Against, *, as_json: bool) -> list[JournalBroken]:
    """Verify all, tell of each that is whole and of them together, and return what is wrong with the others."""
    faults: list[JournalBroken] = []
    instances: dict[str, Path] = {}
    runs: list[Run] = []
    for folder in folders:
        try:
            with as_local_error(folder):
                tree = Tree(folder / FOLDER) if folder.is_dir() else None
                found = _verify_one(read_lines(folder), against, tree)
        except JournalBroken as fault:
            faults.append(fault if len(folders) == 1 else JournalBroken(f"{folder}: {fault.message}", hint=fault.hint))
            continue
        _tell(found, against, as_json=as_json)
        runs += found.runs
        owner = found.evidence.report.instance
        if owner in instances:
            whose = f"{instances[owner]} and {folder} are of {owner}."
            faults.append(JournalBroken(f"Two journals have one identity: {whose}"))
        instances[owner] = folder
    if len(folders) > 1:
        _tell_gaps(runs, as_json=as_json)
    return faults


def _require_whole(faults: Sequence[JournalBroken]) -> None:
    """Return if there are no faults. Raises `JournalBroken`: it names all."""
    if faults:
        raise JournalBroken(" ".join(fault.message for fault in faults), hint=faults[0].hint)


def _pages(gateway: Gateway) -> Iterator[bytes]:
    """Yield the whole journal, page by page. Reading is recorded as well, so the last page is one that is not full."""
    after, full = 0, True
    while full:
        count = 0
        for line in gateway.audit_lines(after=after, limit=_PAGE):
            count += 1
            yield line + b"\n"
        after += count
        full = count == _PAGE


@dataclass(frozen=True, slots=True)
class _Found:
    """A journal that is whole."""

    evidence: Evidence
    runs: list[Run]
    entries: list[Entry]
    cosigned: int
    """How many records the newest checkpoint covers that a witness has cosigned."""
    cosignatures: list[Cosignature]


def _verify_one(lines: Iterable[bytes], against: _Against, tree: Tree | None) -> _Found:
    """Verify one journal. Raises `JournalBroken`."""
    entries: list[Entry] = []
    noted = RunsOf(_noting(lines, entries) if against.listed else lines)
    keys = against.keys or (tree.keys() if tree else [])
    cosigned = tree.cosigned() if tree else None
    evidence = verify_signed(
        noted,
        notes=tree.notes() if tree else (),
        keys=keys,
        known=[*against.checkpoints, *([cosigned] if cosigned else [])],
        leaves=(lambda size, start: tree.leaves(size, start=start)) if tree else None,
        expected=against.head,
    )
    cosignatures = read_cosignatures(cosigned, against.witnesses or tree.witnesses()) if tree and cosigned else []
    for missing in {key.name for key in against.witnesses} - {one.name for one in cosignatures}:
        raise InvalidProof(f"The witness {missing} has cosigned no newest checkpoint of {evidence.report.instance}.")
    size = open_checkpoint(cosigned, keys).size if cosigned else 0
    return _Found(evidence, noted.runs(), entries, size, cosignatures)


def _tell(found: _Found, against: _Against, *, as_json: bool) -> None:
    """Say what was found."""
    evidence, report = found.evidence, found.evidence.report
    if as_json:
        write_json(_summary(found) | ({"events": found.entries} if against.listed else {}))
        return
    if against.listed:
        heads = ("SEQ", "TIME", "WHO", "ACTION", "RESOURCE", "DECISION", "STATUS", "FROM")
        write_rows(heads, map(cells_of, found.entries))
    first, last = (when(read_time(record)) if record else "" for record in (report.first, report.last))
    typer.echo(f"The journal of {report.instance} is whole: {report.count} records, from {first} to {last} UTC.")
    if evidence.checkpoints:
        typer.echo(f"{evidence.checkpoints} signed checkpoints agree with it, up to record {evidence.covered}.")
        if not against.keys:
            typer.echo("They were checked with the key that lies beside the journal; name yours with --public-key.")
    for one in found.cosignatures:
        typer.echo(f"The witness {one.name} has cosigned it up to record {found.cosigned}, at {when(one.at)} UTC.")
    if found.cosignatures and not against.witnesses:
        typer.echo("Its key lies beside the journal as well; name the witness's own with --witness.")
    _tell_runs(found.runs)
    typer.echo(f"Its head, to note down and to check against later (--head): {_head(report)}")


def _tell_runs(runs: Sequence[Run]) -> None:
    """Say how often the gateway ran, when it was down, and which ends were none in good order."""
    down = {gap.start: gap for gap in gaps(runs)}
    if len(runs) > 1:
        typer.echo(f"{len(runs)} runs of the gateway are in it.")
    for run, following in pairwise(runs):
        gap = down.get(run.end)
        until = f" Nothing was recorded until {when(gap.end)}." if gap else ""
        if not run.closed:
            torn = f"; {run.torn_bytes} half-written bytes were cut" if run.torn_bytes else ""
            end = f"was not closed after record {run.last} ({when(run.end)}): it was killed"
            typer.echo(f"It {end}, and opened anew with record {following.first}{torn}.{until}")
        elif gap:
            typer.echo(f"It was closed with record {run.last} ({when(run.end)}).{until}")


def _tell_gaps(runs: Sequence[Run], *, as_json: bool) -> None:
    """Say when none of several gateways was running."""
    found = gaps(runs)
    if as_json:
        write_json({"gaps": [{"from": gap.start.isoformat(), "until": gap.end.isoformat()} for gap in found]})
        return
    for gap in found:
        typer.echo(f"No gateway was running from {when(gap.start)} to {when(gap.end)}.")


def _noting(lines: Iterable[bytes], entries: list[Entry]) -> Iterator[bytes]:
    """Pass the lines on, and note each once it was found good, which is when the next one is asked for."""
    for line in lines:
        yield line
        if record := parse(line):
            entries.append(read_entry(record))


def _summary(found: _Found) -> dict[str, object]:
    evidence, report = found.evidence, found.evidence.report
    first, last = (read_time(record) if record else None for record in (report.first, report.last))
    return {
        "whole": True,
        "instance": report.instance,
        "records": report.count,
        "first": first.isoformat() if first else None,
        "last": last.isoformat() if last else None,
        "head": _head(report),
        "checkpoints": evidence.checkpoints,
        "covered": evidence.covered,
        "cosigned": found.cosigned,
        "cosignatures": [{"witness": one.name, "at": one.at.isoformat()} for one in found.cosignatures],
        "runs": [{**asdict(run), "start": run.start.isoformat(), "end": run.end.isoformat()} for run in found.runs],
    }


def _head(report: Report) -> str:
    return f"{report.head.seq}:{report.head.hash.decode()}"


def _read_head(text: str) -> Head:
    found = re.fullmatch(r"([1-9][0-9]{0,15}):([0-9a-f]{64})", text)
    if not found:
        raise InvalidInput(f"{text[:80]!r} is no head of a journal.", hint="Write it as 'gateway audit verify' did.")
    return Head(int(found[1]), found[2].encode())
