"""`tradepulse up`: the whole system on one machine, on recorded candles or live ones."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from tradepulse.cli.options import grouped
from tradepulse.cli.up.choice import Choice, OptionError, choice_of, recall, remember, speed_of
from tradepulse.cli.up.dashboard import Dashboard, View
from tradepulse.cli.up.live import Live, Series, series_of
from tradepulse.cli.up.own import own_candles, traded
from tradepulse.cli.up.replay import replay_of
from tradepulse.cli.up.run import Run, Traded, when_full
from tradepulse.embedded.children import Children, EmbeddedError
from tradepulse.embedded.ports import HOST, is_free
from tradepulse.embedded.state import StateFolder
from tradepulse.embedded.supervisor import Supervisor
from tradepulse.market_data.files import CandleFileError
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.db import DatabaseUnavailableError
from tradepulse.runtime.publisher import BrokerUnavailableError
from tradepulse.runtime.telemetry import JsonFormatter
from tradepulse.runtime.variables import unread

_READABLE = (
    OptionError,
    EmbeddedError,
    CandleFileError,
    DatabaseUnavailableError,
    BrokerUnavailableError,
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """Which recorded candles are replayed, and how fast."""

    symbols: Annotated[
        str | None, typer.Option(help="Symbols to replay, as BTC/USD,ETH/USD; all by default.")
    ] = None
    start: Annotated[
        str | None,
        typer.Option("--from", help="First day to trade, as 2018-10-01; before it is trained."),
    ] = None
    end: Annotated[str | None, typer.Option("--to", help="Day before which the replay ends.")] = (
        None
    )
    speed: Annotated[
        str, typer.Option(help="Event-time seconds for each second of the clock, or max.")
    ] = "36000"
    candles: Annotated[
        Path | None,
        typer.Option(
            help="Candles to replay: a file of any layout that `import` reads, a zip or a folder.",
        ),
    ] = None
    exchange: Annotated[
        str | None, typer.Option(help="Exchange, where neither file nor name says it.")
    ] = None
    timeframe: Annotated[
        str | None, typer.Option(help="Timeframe, where neither file nor name says it.")
    ] = None


@dataclass(frozen=True, slots=True)
class Trading:
    """What trades, and by which numbers."""

    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="What trades: a strategy's name, or a Python file of your own; repeat it for "
            "several. By default liquidity_sweep and sma_cross."
        ),
    ] = None
    no_training: Annotated[
        bool,
        typer.Option(
            "--no-training",
            help="Search nothing: what --strategy names trades by its defaults from the first "
            "candle on.",
        ),
    ] = False


@grouped
def up(
    *,
    replayed: Replayed,
    trading: Trading,
    live: Annotated[
        str | None,
        typer.Option(
            help="Follow venues instead of a file, as kraken:BTC/USD:5m,coinbase:ETH/USD:1h; "
            "orders stay on paper. Empty follows what is subscribed already."
        ),
    ] = None,
    state: Annotated[Path, typer.Option(help="Folder that keeps everything of this run.")] = Path(
        ".tradepulse"
    ),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")
    ] = 8750,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what the state folder holds first.")
    ] = False,
) -> None:
    """Run everything on this machine, on recorded candles or live ones."""
    # Clients log every failed attempt to connect. The terminal is told in one line; the rest goes
    # to up.log once there is a folder for it, and nowhere where that cannot be written.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.raiseExceptions = False
    # whatever this run and its processes write is for this user only
    os.umask(0o077)
    for line in unread(os.environ):
        typer.echo(f"tradepulse up: {line}", err=True)
    try:
        series = None if live is None else series_of(live)
        asked = replayed.candles, replayed.symbols, replayed.start, replayed.end
        if series is not None and any(asked):
            raise OptionError(
                "--live replays nothing: leave out --candles, --symbols, --from, --to"
            )
        choice = replace(
            choice_of(*asked, trading.strategy),
            live=series is not None,
            training=False if trading.no_training else None,
            exchange=replayed.exchange,
            timeframe=replayed.timeframe,
        )
        speed = speed_of(replayed.speed)
        asyncio.run(_until_signal(choice, series or (), speed, state, port, fresh))
    except _READABLE as error:
        _refuse(str(error) + when_full(state))
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _refuse(f"{error.strerror or error}{where}; the state folder is {state}")


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _refuse(line: str) -> None:
    sys.stderr.write(f"tradepulse up: {' '.join(line.split())}\n")
    raise typer.Exit(1)


async def _until_signal(
    choice: Choice, series: Series, speed: str, state: Path, port: int, fresh: bool
) -> None:
    running = asyncio.ensure_future(_run(choice, series, speed, state, port, fresh))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running


async def _run(
    choice: Choice, series: Series, speed: str, path: Path, port: int, fresh: bool
) -> None:
    if port and not is_free(port):
        raise OptionError(
            f"port {port} of {HOST} is in use: choose another with --port, or --port 0 for any"
        )
    async with AsyncExitStack() as stack:
        state = await asyncio.to_thread(StateFolder.open, path, fresh=fresh)
        stack.callback(state.close)
        stack.enter_context(_logging_to(state.logs / "up.log"))
        choice = recall(state.path, choice)
        own = await asyncio.to_thread(traded, choice.strategies)
        market: Traded
        if choice.live:
            market = Live(series, wall_clock(), own)
        else:
            file = await asyncio.to_thread(own_candles, choice, state.path, _tell)
            market = await asyncio.to_thread(replay_of, choice, speed, file, own)
        view = View()
        dashboard = stack.enter_context(Dashboard(view))
        children = await stack.enter_async_context(Children(hold=[state.lock]))
        supervisor = Supervisor(state.logs)
        stack.push_async_callback(supervisor.stop)
        run = Run(state, view, dashboard, children, supervisor)
        stack.callback(run.say_stopping)
        connections = await run.foundations(market)
        remember(state.path, choice)
        await run.go(connections, market, port)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, delay=True)
    # as the services' own, for programs; `tradepulse status` looks for troubles there
    handler.setFormatter(JsonFormatter("up"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
