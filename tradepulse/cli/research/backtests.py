"""`backtest`: trade recorded candles on a paper account, without any server."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import (
    OfFile,
    StrategyFiles,
    TimeRange,
    decimal_of,
    file_told,
    grouped,
    json_file,
    json_of,
    load_strategies,
    named_strategy,
    numbers_of,
)
from tradepulse.cli.research.account_rules import (
    Fills,
    Limits,
    account_rules,
)
from tradepulse.cli.research.candles_of import Source

if TYPE_CHECKING:
    from tradepulse.candles.arrays import Candles
    from tradepulse.library.runs import Run
    from tradepulse.library.uses import Use
    from tradepulse.market_data.files import Asked
    from tradepulse.strategies.evaluate import Configuration
    from tradepulse.trading.weights import WeightPolicy

_FIELDS = {
    *("strategy", "params", "share", "configuration_id"),
    *("exchange", "symbol", "timeframe"),
}


@dataclass(frozen=True, slots=True)
class Traded:
    """What is traded: one strategy on every symbol, or the configurations of a file."""

    strategy: Annotated[
        str | None,
        typer.Option(help="Strategy to run on every symbol: its name, or a file with one."),
    ] = None
    params: Annotated[
        str | None,
        typer.Option(
            help='Its parameters, as {"fast": 10, "trail_atr": 3}; the rest are defaults. Every '
            "strategy has limit_atr, trail_atr and max_candles."
        ),
    ] = None
    configs: Annotated[
        Path | None,
        typer.Option(
            help="JSON list of configurations on one account, each with strategy and, as needed, "
            "params, share, symbol, exchange, timeframe."
        ),
    ] = None
    strategy_file: StrategyFiles = None

    def read(self) -> "tuple[list[str], list[Use]]":
        """Return where each use is written, and the uses.

        Raises:
            CliError: the options do not fit together, or are no JSON of configurations.
        """
        if (self.strategy is None) == (self.configs is None):
            raise CliError("give either --strategy, or --configs with a file")
        if self.params is not None and self.strategy is None:
            raise CliError("--params belongs to --strategy; with --configs they stand in the file")
        if self.configs is not None:
            return _uses(json_file(self.configs), str(self.configs))
        params = json_of("--params", self.params or "{}")
        name = named_strategy(self.strategy or "")
        return _uses([{"strategy": name, "params": params}], "--params")


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What there is, and how it is shared out."""

    cash: Annotated[str, typer.Option(help="Initial cash, quote currency.")] = "100000"
    weights: Annotated[
        str,
        typer.Option(
            help="equal, inverse_volatility, hrp, min_variance, model:FILE, model:ID of the "
            'registry, or fixed ones, as {"BTC/USD": 0.5}.'
        ),
    ] = "equal"
    budget: Annotated[
        float, typer.Option(help="What the weights sum to at most; above 1 the limits cap.")
    ] = 1.0
    state: State = STATE


@dataclass(frozen=True, slots=True)
class Written:
    """Where else the result goes."""

    report: Annotated[
        Path | None,
        typer.Option(help="Write a page with curves, figures and trades here; it opens offline."),
    ] = None
    json_out: Annotated[
        Path | None,
        typer.Option("--json", help="Write every trade, the equity curve and the figures here."),
    ] = None
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the equity beside buying and holding.")
    ] = False


@grouped
def backtest(
    *,
    candles: Annotated[
        Path | None,
        typer.Option(help="File of any layout, a zip or a folder; without it, what is stored."),
    ] = None,
    traded: Traded,
    of_file: OfFile,
    times: TimeRange,
    portfolio: Portfolio,
    fills: Fills,
    limits: Limits,
    written: Written,
) -> None:
    """Trade recorded candles on a paper account, offline.

    The symbols (all of the file by default) are the portfolio that the weights share out. Candles
    before --from only warm up the strategies. What the venue accepts is not looked up: give it by
    --markets-file, or by --tick and the like. `tradepulse.backtest` does the same in Python.
    """
    from tradepulse.library.backtests import looking_at, one_quote_currency, run
    from tradepulse.library.runs import Told
    from tradepulse.library.uses import configurations

    load_strategies(traded.strategy_file)
    first, last = times.read()
    places, uses = traded.read()
    source = Source(candles, portfolio.state)
    series = source.read(of_file.asked(last), file_told)
    with values_refused():
        one_quote_currency(series)
        configured = configurations(uses, series, places)
    others = _others(series, configured, source, of_file.asked(last))
    series = looking_at(series, configured, others)
    told = Told(
        series=series,
        configurations=configured,
        rules=account_rules(list(dict.fromkeys(one.instrument for one in series)), fills, limits),
        policy=_policy(portfolio, series),
        cash=decimal_of("--cash", portfolio.cash, positive=True),
        between=(first, last),
        finer=[] if fills.finer is None else _finer(fills.finer, series),
    )
    with values_refused():
        found = run(told)
    _tell(source.name, found, written)


def _tell(candles: Path, run: "Run", written: Written) -> None:
    """Show a run, and write what is asked for."""
    from tradepulse.cli.research.report import Report, write_json

    report = Report(candles, run)
    if written.json_out is not None:
        write_json(written.json_out, report.as_json())
    if written.report is not None:
        run.report(written.report)
    report.show(plot=written.plot)
    for path in filter(None, (written.report, written.json_out)):
        typer.echo(f"written to {path}")


def _others(
    series: "Sequence[Candles]",
    configured: "Sequence[Configuration]",
    source: Source,
    asked: "Asked",
) -> "list[Candles]":
    """Read what the strategies look at and what is not traded of the file."""
    from dataclasses import replace

    wanted = set().union(*(one.references for one in configured))
    lacking = wanted - {one.instrument for one in series}
    return source.read(replace(asked, symbols=sorted(lacking))) if lacking else []


def _finer(path: Path, series: "Sequence[Candles]") -> "list[Candles]":
    from tradepulse.market_data.files import Asked, Given, read_series

    instruments = {one.instrument for one in series}
    lacking = Given(series[0].exchange, series[0].symbol) if len(instruments) == 1 else None
    there = read_series(path, Asked(), file_told, Given(otherwise=lacking))
    found = [one for one in there if one.instrument in instruments]
    if not found:
        raise CliError(f"--finer {path}: no candles of {', '.join(sorted(instruments))}")
    return found


def _uses(wanted: Any, where: str) -> "tuple[list[str], list[Use]]":
    if not isinstance(wanted, list) or not wanted:
        raise CliError(f"{where} must be a JSON list of configurations, as [{{...}}]")
    places = [
        where if len(wanted) == 1 else f"{where}, configuration {number}"
        for number in range(1, len(wanted) + 1)
    ]
    return places, [_use(entry, place) for entry, place in zip(wanted, places, strict=True)]


def _use(entry: Any, where: str) -> "Use":
    from tradepulse.library.uses import Use

    if not isinstance(entry, dict) or not isinstance(entry.get("strategy"), str):
        raise CliError(f'{where} must be an object with a strategy, as {{"strategy": "sma_cross"}}')
    if unknown := sorted(entry.keys() - _FIELDS):
        raise CliError(f"{where}: unknown {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    return Use(**{**entry, "params": numbers_of(f"{where}: params", entry.get("params", {}))})


def _policy(portfolio: Portfolio, series: "Sequence[Candles]") -> "WeightPolicy":
    """Return the weight policy; fixed weights go by symbol or by `exchange:symbol`."""
    from tradepulse.library.weights import policy_of
    from tradepulse.trading.weights import checked_budget

    text, budget = portfolio.weights, portfolio.budget
    with values_refused("--budget"):
        checked_budget(budget)
    if text == "fixed":
        raise CliError('--weights: write fixed weights as {"BTC/USD": 0.5}')
    is_fixed = text.lstrip().startswith("{")
    weights = numbers_of("--weights", json_of("--weights", text)) if is_fixed else text
    with values_refused("--weights"):
        return policy_of(weights, series, budget, portfolio.state)
