"""Tables of gaps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from tradepulse.cli.options import time_text

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


def show_findings(found: "Sequence[Finding]", *, details: bool) -> None:
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
    table = Table()
    for head in ("series", "what", "cause"):
        table.add_column(head, overflow="fold")
    for head in ("times", "candles", "longest"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("first", no_wrap=True)
    table.add_column("last", no_wrap=True)
    for names, some in groups.items():
        table.add_row(
            *names,
            f"{len(some):,}",
            f"{sum(f.count for f in some):,}",
            f"{max(f.count for f in some):,}",
            time_text(min(f.first for f in some)),
            time_text(max(f.last for f in some)),
        )
    Console().print(table)


def show_gaps(gaps: "Sequence[Gap]") -> None:
    """Show what is on record."""
    table = Table()
    table.add_column("gap", justify="right")
    table.add_column("what", overflow="fold")
    table.add_column("status")
    table.add_column("by")
    table.add_column("tried", justify="right")
    for gap in gaps:
        table.add_row(
            str(gap.gap_id),
            gap.finding.sentence,
            gap.status,
            gap.repaired_by or "",
            str(gap.attempts or ""),
        )
    Console().print(table)


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
