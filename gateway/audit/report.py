"""An access review: who used a dataset or model, how much, from where, and who was refused. CSV and HTML. Pure."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from html import escape

from gateway.audit.question import Found

_READ = "gateway:ReadFile"
_MOST_NAMED = 20
"""How many addresses and versions of a principal are named; the rest is counted."""
_MOST_BARS = 15
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the start of a cell (OWASP, "CSV Injection")."""


@dataclass(slots=True)
class Access:
    """What one principal did."""

    issuer: str
    who: str
    kind: str
    first: datetime
    last: datetime
    reads: int = 0
    changes: int = 0
    refused: int = 0
    bytes: int = 0
    """Bytes that the gateway itself sent; those of direct links go straight from S3."""
    origins: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Review:
    """The access to one resource in some time. Memory grows with principals and days, not with events."""

    resource: str
    made_at: datetime
    since: datetime | None = None
    until: datetime | None = None
    principals: dict[tuple[str, str], Access] = field(default_factory=dict)
    days: Counter[date] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """By code."""

    @property
    def accesses(self) -> list[Access]:
        """Who used it most, first."""
        return sorted(self.principals.values(), key=lambda one: (-one.reads - one.changes, -one.refused, one.who))

    def add(self, events: Iterable[Found]) -> None:
        """Count events, in any order."""
        for event in events:
            if event.status != "Intended":  # its completion counts
                self._add(event)

    def _add(self, event: Found) -> None:
        access = self.principals.setdefault(
            (event.issuer, event.subject), Access(event.issuer, event.who, event.kind, event.at, event.at)
        )
        access.first, access.last = min(access.first, event.at), max(access.last, event.at)
        access.origins[event.origin] += 1
        self.days[event.at.date()] += 1
        if event.refused:
            access.refused += 1
            self.refusals[event.code] += 1
            return
        access.bytes += event.bytes
        access.reads += event.action == _READ
        access.changes += event.action.startswith("gateway:") and event.action != _READ
        if event.version:
            access.versions[event.version] += 1


_HEADS = (
    "issuer",
    "principal",
    "kind",
    "reads",
    "other actions",
    "refused",
    "bytes through the gateway",
    "first",
    "last",
    "versions",
    "addresses",
)


def as_csv(review: Review) -> str:
    """Return a line for each principal, after one of heads."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_HEADS)
    writer.writerows([_inert(cell) for cell in _cells(access)] for access in review.accesses)
    return out.getvalue()


def as_html(review: Review) -> str:
    """Return one page that needs nothing else: no script, no font, no picture from elsewhere."""
    accesses = review.accesses
    heads = "".join(f"<th>{escape(head)}</th>" for head in _HEADS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in _cells(access))}</tr>" for access in accesses
    )
    charts = (
        _bars("Reads by principal", [(one.who, one.reads) for one in accesses]),
        _bars("Events by day", [(day.isoformat(), count) for day, count in sorted(review.days.items())], newest=True),
        _bars("Refusals by reason", review.refusals.most_common()),
    )
    title = f"Access to {escape(review.resource)}"
    span = f"{_when(review.since) or 'the beginning'} to {_when(review.until or review.made_at)} UTC"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{_STYLE}</head><body>'
        f"<h1>{title}</h1><p>From {span}. Made {_when(review.made_at)} UTC from the audit journal.</p>"
        f'{"".join(charts)}<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        "</body></html>\n"
    )


_STYLE = (
    "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a2233}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.3rem .6rem;border-bottom:1px solid #dde3ec;"
    "text-align:left;vertical-align:top}th{background:#f3f6fa}.wide{overflow-x:auto}svg{max-width:100%}"
    "svg text{font:12px system-ui,sans-serif;fill:#1a2233}rect{fill:#3563c9}</style>"
)


def _bars(title: str, values: Sequence[tuple[str, int]], *, newest: bool = False) -> str:
    """Return a chart of horizontal bars, of as many values as can be read; nothing if all are nought."""
    shown = [(name, value) for name, value in values if value]
    shown = shown[-_MOST_BARS:] if newest else shown[:_MOST_BARS]
    if not shown:
        return ""
    most = max(value for _, value in shown)
    bars = "".join(
        f'<text x="200" y="{y + 14}" text-anchor="end">{escape(name[:30])}</text>'
        f'<rect x="210" y="{y}" width="{max(1, value * 400 // most)}" height="18"></rect>'
        f'<text x="{216 + max(1, value * 400 // most)}" y="{y + 14}">{value:,}</text>'
        for y, (name, value) in zip(range(0, 24 * len(shown), 24), shown, strict=True)
    )
    size = f'width="720" height="{24 * len(shown)}"'
    return f'<h2>{escape(title)}</h2><svg role="img" aria-label="{escape(title)}" {size}>{bars}</svg>'


def _cells(access: Access) -> tuple[str | int, ...]:
    return (
        access.issuer,
        access.who,
        access.kind,
        access.reads,
        access.changes,
        access.refused,
        access.bytes,
        _when(access.first),
        _when(access.last),
        _named(access.versions),
        _named(access.origins),
    )


def _named(counted: Counter[str]) -> str:
    names = [name for name, _ in counted.most_common(_MOST_NAMED)]
    more = len(counted) - len(names)
    return " ".join([*names, *([f"and {more} more"] if more else [])])


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""


def _inert(cell: str | int) -> str | int:
    """Return a cell that no spreadsheet computes."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
