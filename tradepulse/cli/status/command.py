"""`status`: one screen of what runs, and an exit status for scripts."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradepulse.cli.connections import STATE
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import time_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tradepulse.cli.status.looking import Status

NOT_READY = 3
NOTHING_RUNS = 4
_WATCH_S = 2.0
_SOURCES = {
    "replay": "replayed candles",
    "live": "live candles",
    "import": "imported candles",
    "backfill": "fetched candles",
}


def status(
    state: Annotated[Path, typer.Option(help="State folder of a `tradepulse up`.")] = STATE,
    address: Annotated[
        str | None,
        typer.Option(help="Address of the page of a system elsewhere, as http://host:8750."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File of its token, where the address has none.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show what runs: services, event time, account, lag, last trouble.

    Exit status 0: all services are ready; 3: something runs and not all of it is ready; 4: nothing
    runs.
    """
    look = _looker(state, address, token_file)
    with values_refused():
        found = watched(look) if watch and not as_json else look()
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1))
    elif not watch:
        from rich.console import Console

        Console().print(picture(found))
    raise typer.Exit(exit_status(found))


def exit_status(found: "Status") -> int:
    """Return 0 where all is ready, 3 where something is not, 4 where nothing runs."""
    if not found.runs:
        return NOTHING_RUNS
    return 0 if found.ready else NOT_READY


def _looker(state: Path, address: str | None, token_file: Path | None) -> "Callable[[], Status]":
    from tradepulse.cli.status.looking import look_at, look_in

    if address is None:
        return lambda: look_in(state)
    try:
        token = None if token_file is None else token_file.read_text().strip()
    except OSError as error:
        raise CliError(f"--token-file {token_file}: {error.strerror}") from None
    return lambda: look_at(address, token)


def watched(look: "Callable[[], Status]", pause: Callable[[float], None] = time.sleep) -> "Status":
    """Show it until Ctrl-C, or until nothing runs any more; return what was seen last."""
    from rich.live import Live

    found = look()
    with Live(picture(found), auto_refresh=False, screen=False) as shown:
        while found.runs:
            pause(_WATCH_S)
            found = look()
            shown.update(picture(found), refresh=True)
    return found


def picture(found: "Status") -> "RenderableType":
    """Draw what was found."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    if not found.runs:
        head = Text(f"nothing runs: {found.where}", style="yellow")
        head.append("; `tradepulse up` starts a system, --address asks one elsewhere", style="dim")
    else:
        head = Text("ready", style="bold green") if found.ready else Text("not ready", style="red")
        head.append(f": {found.where}", style="default")
    for name, text in _lines(found):
        grid.add_row(name, Text(text))
    services = Table.grid(padding=(0, 2))
    for one in found.services:
        mark = Text("ready", style="green") if one.ready else Text("not ready", style="red")
        services.add_row(one.service, mark, Text("" if one.ready else one.detail))
    parts = [head, services] if found.services else [head]
    return Group(*parts, grid)


def _lines(found: "Status") -> list[tuple[str, str]]:
    lines = []
    if found.mode is not None:
        source = "no candle yet"
        if found.source is not None:
            source = _SOURCES.get(found.source, f"candles of {found.source}")
        lines.append(("mode", f"{found.mode.lower()}, {source}"))
    if found.event_time is not None:
        lines.append(("event time", f"{time_text(found.event_time)} UTC{_lag(found.behind_ms)}"))
    if (account := found.account) is not None and account["equity"] is not None:
        change, fall = account["net_profit_pct"], account["drawdown_pct"]
        parts = [f"{account['account']}: equity {float(account['equity']):,.2f}"]
        parts[0] += "" if change is None else f" ({change:+.2f} %)"
        parts += [] if not fall else [f"{fall:.2f} % below its peak"]
        parts.append(_count(account["open_positions"], "open position"))
        parts.append(_count(account["trades"], "trade"))
        parts += (
            [f"{account['refused_orders']:,} refused orders"] if account["refused_orders"] else []
        )
        lines.append(("account", ", ".join(parts)))
    if found.active_configurations is not None:
        lines.append(("trading", _count(found.active_configurations, "active configuration")))
    if found.jobs is not None and any(found.jobs.values()):
        lines.append(("jobs", f"{found.jobs['running']} running, {found.jobs['waiting']} waiting"))
    if (trouble := found.trouble) is not None:
        when = "now" if trouble.at is None else f"{time_text(trouble.at)} UTC"
        lines.append(("last trouble", f"{when} {trouble.of}: {trouble.text}"))
    return lines


def _lag(behind_ms: int | None) -> str:
    if behind_ms is None:
        return ", nothing is settled yet"
    return f", {timedelta(seconds=behind_ms // 1000)} behind" if behind_ms else ", up to date"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
