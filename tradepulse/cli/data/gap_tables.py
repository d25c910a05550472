"""Tables of gaps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from tradepulse.cli.options import time_text
from tradepulse.cli.tables import Column, show

if TYPE_CHECKING:
    from tradepulse.candles.gaps.finding import Finding
    from tradepulse.candles.gaps.records import Gap
    from tradepulse.market_data.gaps.tries_store import Tried

CAUSES = {
    "outage": "outage",
    "no_trade": "no trade",
    "missed": "not recorded",
    "off_grid": "off the grid",
    "unknown": "unknown",
}


def cause_text(cause: str | None, *, sure: bool) -> str:
    """Return a cause in words; nothing for None."""
    if cause is None:
        return ""
    return CAUSES[cause] if sure or cause == "unknown" else f"likely {CAUSES[cause]}"


def show_findings(found: "Sequence[Finding]", *, details: bool, wide: bool = False) -> None:
    """Show findings, by series, kind and cause."""
    if not found:
        typer.echo("nothing is wrong")
        return
    if details:
        for f in found:
            typer.echo(f.sentence)
        return
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for f in found:
        what = f.kind.replace("_", " ")
        sort = f.series, what, cause_text(f.cause, sure=f.sure)
        groups.setdefault(sort, []).append(f)
    columns = (
        Column[_Group]("series", lambda one: escape(one[0][0])),
        Column[_Group]("what", lambda one: one[0][1]),
        Column[_Group]("cause", lambda one: one[0][2], least=12),
        Column[_Group]("times", lambda one: f"{len(one[1]):,}", is_number=True),
        Column[_Group]("candles", lambda one: f"{sum(f.count for f in one[1]):,}", is_number=True),
        Column[_Group](
            "longest", lambda one: f"{max(f.count for f in one[1]):,}", 1, is_number=True
        ),
        Column[_Group]("first\nlast", _span),
    )
    show(columns, list(groups.items()), wide=wide)


_Group = tuple[tuple[str, ...], list["Finding"]]


def _span(group: _Group) -> str:
    first, last = min(f.first for f in group[1]), max(f.last for f in group[1])
    return f"{time_text(first)}\n{time_text(last)}"


def gap_columns() -> "Sequence[Column[Gap]]":
    """Return the columns of what is on record."""
    return (
        Column("gap", lambda one: str(one.gap_id), is_number=True),
        Column("what", lambda one: escape(one.finding.sentence), least=30),
        Column("status", lambda one: one.status),
        Column("by", lambda one: one.repaired_by or "", 2),
        Column("tried", lambda one: str(one.attempts or ""), 1, is_number=True),
    )


def show_gap(gap: "Gap", tried: "Sequence[Tried]") -> None:
    """Show one gap and what was tried."""
    f = gap.finding
    typer.echo(f.sentence)
    typer.echo(f"candles     {f.count:,}, {time_text(f.first)} to {time_text(f.last)}")
    typer.echo(f"status      {gap.status}{f', by {gap.repaired_by}' if gap.repaired_by else ''}")
    typer.echo(f"found       {gap.detected_at:%Y-%m-%d %H:%M}")
    if gap.settled_at is not None:
        typer.echo(f"settled     {gap.settled_at:%Y-%m-%d %H:%M}")
    for one in tried:
        when = "" if one.at is None else f"{one.at:%Y-%m-%d %H:%M} "
        typer.echo(f"{when}{one.step} {one.timeframe}: {one.outcome}: {one.note}")
    if not tried:
        typer.echo("nothing was tried yet")


def finding_json(f: "Finding") -> dict[str, Any]:
    """Return a finding for JSON; times are open times, epoch ms."""
    names = ("exchange", "symbol", "timeframe", "kind", "first", "last", "count", "cause", "sure")
    return {name: getattr(f, name) for name in names} | {"sentence": f.sentence}


def gap_json(gap: "Gap") -> dict[str, Any]:
    """Return what is on record of a gap for JSON."""
    return {
        "gap_id": gap.gap_id,
        **finding_json(gap.finding),
        "status": gap.status,
        "detected_at": gap.detected_at.isoformat(),
        "settled_at": None if gap.settled_at is None else gap.settled_at.isoformat(),
        "repaired_by": gap.repaired_by,
        "attempts": gap.attempts,
    }
