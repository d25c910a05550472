"""What the terminal shows while `tradepulse up` runs; plain lines where it is no terminal."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import psutil
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tradepulse.cli.up.figures import Figures
from tradepulse.embedded.supervisor import Kept

_PLAIN_SECONDS = 5.0
_MEGABYTE = 1_000_000
_STATE_STYLE = {
    "starting": "yellow",
    "running": "green",
    "waiting": "red",
    "stopped": "dim",
}


@dataclass(slots=True)
class View:
    """Everything that is shown.

    Attributes:
        phase: what is going on, as a short sentence.
        since: when that began, of the clock that only goes forward, seconds.
        progress: done and total of it, where it has steps.
        address: the page's address with its token; empty before it is up.
        parts: the kept processes.
        unready: by name, why a running service is not ready yet; empty once it is.
        figures: where the replay stands.
        note: a lasting remark for the user.
    """

    phase: str = ""
    since: float = field(default_factory=time.monotonic)
    progress: tuple[int, int] | None = None
    address: str = ""
    parts: Sequence[Kept] = ()
    unready: dict[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    note: str = ""


class Dashboard:
    """Draws a view: live in a terminal, else as a line now and then."""

    def __init__(self, view: View, console: Console | None = None) -> None:
        self._view = view
        self._console = console or Console()
        self._live: Live | None = None
        self._said = ("", "")
        self._said_at = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=lambda: picture(self._view),
                console=self._console,
                refresh_per_second=4,
                vertical_overflow="crop",
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self) -> None:
        """Say what is new where the output is no terminal; a live one draws itself."""
        if self._live is not None:
            return
        now = time.monotonic()
        said = self._view.phase, self._view.address
        if said != self._said or now - self._said_at >= _PLAIN_SECONDS:
            if self._view.address and self._view.address != self._said[1]:
                print(f"page: {self._view.address}", flush=True)
            print(plain_line(self._view), flush=True)
            self._said, self._said_at = said, now


def plain_line(view: View) -> str:
    """Say a view in one line."""
    figures = view.figures
    parts = [view.phase]
    if view.progress is not None and view.progress[1]:
        parts.append(f"{view.progress[0]}/{view.progress[1]}")
    elif figures.replayed is None and (took := _seconds(view)):
        parts.append(took)
    if figures.replayed is not None:
        parts += [
            f"replayed to {figures.replayed:%Y-%m-%d %H:%M}",
            f"{figures.candles} candles",
            f"{figures.signals} signals",
            f"{figures.orders} orders",
            f"{figures.open_positions} open positions",
            f"{figures.trades} trades",
            f"equity {_equity(figures)}",
        ]
    parts += [f"{kept.name} {kept.state} ({kept.reason})" for kept in view.parts if _ails(kept)]
    parts += [f"{name} {reason}" for name, reason in view.unready.items()]
    if view.note:
        parts.append(view.note)
    return " | ".join(parts)


def picture(view: View) -> RenderableType:
    """Draw a view."""
    rows: list[RenderableType] = [Rule(Text("TradePulse", style="bold cyan"), align="left")]
    if view.address:
        address = Text("Open  ", style="bold")
        # no_wrap: a token that is broken over two lines cannot be clicked
        address.append(view.address, style=f"bold underline link {view.address}")
        address.no_wrap, address.overflow = True, "fold"
        rows += [address, Text()]
    rows.append(_phase(view))
    if view.figures.replayed is not None:
        rows += [Text(), _figures(view.figures)]
    if view.parts:
        rows += [Text(), _services(view)]
    if view.note:
        rows.append(Text(view.note, style="yellow"))
    rows.append(Text("Ctrl-C stops everything; the next start goes on from there.", style="dim"))
    return Group(*rows)


def resident_megabytes(pid: int) -> int | None:
    """Give the memory of a process and its children in MB, what they share counted once."""
    try:
        leader = psutil.Process(pid)
        total = leader.memory_info().rss
        for child in leader.children(recursive=True):
            memory = child.memory_info()
            total += memory.rss - getattr(memory, "shared", 0)
    except psutil.Error:
        return None
    return round(total / _MEGABYTE)


def _phase(view: View) -> RenderableType:
    if view.progress is None or view.progress[1] == 0:
        took = _seconds(view) if view.figures.replayed is None else ""
        return Text(view.phase).append(f"  {took}", style="dim")
    done, total = view.progress
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text(view.phase), ProgressBar(total, done, width=32), Text(f"{done}/{total}"))
    return grid


def _seconds(view: View) -> str:
    """Say how long the phase has lasted; nothing in its first second."""
    took = int(time.monotonic() - view.since)
    return f"{took} s" if took else ""


def _figures(figures: Figures) -> RenderableType:
    grid = Table.grid(padding=(0, 3))
    names = ("replayed to", "candles", "signals", "orders", "open", "trades", "equity")
    grid.add_row(*(Text(name, style="dim") for name in names))
    orders = f"{figures.orders:,}"
    if figures.refused:
        orders += f" ({figures.refused:,} refused)"
    change = figures.change
    style = "bold" if change is None else "bold green" if change >= 0 else "bold red"
    grid.add_row(
        Text(f"{figures.replayed:%Y-%m-%d %H:%M}", style="bold"),
        f"{figures.candles:,}",
        f"{figures.signals:,}",
        orders,
        f"{figures.open_positions:,}",
        f"{figures.trades:,}",
        Text(_equity(figures), style=style),
    )
    return grid


def _services(view: View) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("service")
    table.add_column("state")
    table.add_column("pid", justify="right")
    table.add_column("memory", justify="right")
    table.add_column("restarts", justify="right")
    table.add_column("", style="dim", overflow="ellipsis", no_wrap=True)
    for kept in view.parts:
        pid = kept.pid
        megabytes = resident_megabytes(pid) if pid is not None else None
        waits_for = view.unready.get(kept.name, "")
        style = "yellow" if kept.state == "running" and waits_for else _STATE_STYLE[kept.state]
        table.add_row(
            kept.name,
            Text(kept.state, style=style),
            "" if pid is None else str(pid),
            "" if megabytes is None else f"{megabytes} MB",
            str(kept.restarts) if kept.restarts else "",
            waits_for if kept.state == "running" else kept.reason,
        )
    return table


def _equity(figures: Figures) -> str:
    if figures.equity is None:
        return "-"
    change = figures.change
    percent = "" if change is None else f" ({change:+.2%})"
    return f"{figures.equity:,.2f}{percent}"


def _ails(kept: Kept) -> bool:
    return kept.state == "waiting"
