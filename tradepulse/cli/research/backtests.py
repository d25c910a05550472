"""`backtest`: trade recorded candles on a paper account, without any server."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid5

import typer

from tradepulse.cli.connections import STATE, State, database_url, with_database
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
    from tradepulse.market_data.files import Asked
    from tradepulse.strategies.divisions import Divisions
    from tradepulse.strategies.evaluate import Configuration
    from tradepulse.trading.policies.learned import LearnedPolicy
    from tradepulse.trading.sizing import AccountRules
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

    def read(self) -> Any:
        """Return the configurations as they are written.

        Raises:
            CliError: the options do not fit together, or are no JSON.
        """
        if (self.strategy is None) == (self.configs is None):
            raise CliError("give either --strategy, or --configs with a file")
        if self.params is not None and self.strategy is None:
            raise CliError("--params belongs to --strategy; with --configs they stand in the file")
        if self.configs is not None:
            return json_file(self.configs)
        params = json_of("--params", self.params or "{}")
        return [{"strategy": named_strategy(self.strategy or ""), "params": params}]


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
    json_out: Annotated[
        Path | None,
        typer.Option("--json", help="Write every trade, the equity curve and the figures here."),
    ] = None,
) -> None:
    """Trade recorded candles on a paper account, offline.

    The symbols (all of the file by default) are the portfolio that the weights share out. Candles
    before --from only warm up the strategies. What the venue accepts is not looked up: give it by
    --markets-file, or by --tick and the like.
    """
    from tradepulse.cli.research.report import Report, write_json

    load_strategies(traded.strategy_file)
    first, last = times.read()
    wanted = traded.read()
    source = Source(candles, portfolio.state)
    series = source.read(of_file.asked(last), file_told)
    _one_quote_currency(series)
    configurations = _configurations(wanted, series, str(traded.configs or "--params"))
    series = _with_others(series, configurations, source, of_file.asked(last))
    instruments = list(dict.fromkeys(one.instrument for one in series))
    rules = account_rules(instruments, fills, limits)
    capital = decimal_of("--cash", portfolio.cash, positive=True)
    policy = _policy(portfolio, series)
    inside = [] if fills.finer is None else _finer(fills.finer, series)
    result = _run(series, configurations, rules, policy, capital, first, last, inside)
    divided = _divided(configurations, series, last)
    told = (source.name, series, configurations, rules, policy.name, capital, result)
    report = Report(*told, inside, divided, policy.budget)
    if json_out is not None:
        write_json(json_out, report.as_json(first, last))
    report.show()
    if json_out is not None:
        typer.echo(f"written to {json_out}")


def _with_others(
    series: "Sequence[Candles]",
    configurations: "Sequence[Configuration]",
    source: Source,
    asked: "Asked",
) -> "list[Candles]":
    """Give each series what its strategies look at, also what is not traded of the file."""
    from dataclasses import replace

    from tradepulse.strategies.sources import referring

    names: dict[str, set[str]] = {}
    for one in configurations:
        names.setdefault(one.series, set()).update(one.references)
    others = list(series)
    lacking = set().union(*names.values()) - {one.instrument for one in series}
    if lacking:
        others += source.read(replace(asked, symbols=sorted(lacking)))
    return [referring(one, names.get(one.series, ()), others) for one in series]


def _divided(
    configurations: "Sequence[Configuration]", series: "Sequence[Candles]", end: int | None
) -> "dict[UUID, Divisions]":
    """Look where strategies from a user's files divide by zero; those of the package are tested."""
    from tradepulse.strategies import get_strategy
    from tradepulse.strategies.divisions import divisions

    by_series = {one.series: one.between(None, end) for one in series}
    return {
        one.configuration_id: divisions(found, one.params, by_series[one.series])
        for one in configurations
        if not (found := get_strategy(one.strategy)).is_bundled
    }


def _finer(path: Path, series: "Sequence[Candles]") -> "list[Candles]":
    from tradepulse.market_data.files import Asked, Given, read_series

    instruments = {one.instrument for one in series}
    lacking = Given(series[0].exchange, series[0].symbol) if len(instruments) == 1 else None
    there = read_series(path, Asked(), file_told, Given(otherwise=lacking))
    found = [one for one in there if one.instrument in instruments]
    if not found:
        raise CliError(f"--finer {path}: no candles of {', '.join(sorted(instruments))}")
    return found


def _run(
    series: "Sequence[Candles]",
    configurations: "Sequence[Configuration]",
    rules: "AccountRules",
    policy: "WeightPolicy",
    cash: Decimal,
    start: int | None,
    end: int | None,
    finer: "Sequence[Candles]",
) -> Any:
    from tradepulse.library.progress import progress_bar
    from tradepulse.trading.backtest import backtest as run

    with progress_bar() as progress:
        task = progress.add_task("Trading", total=None)
        with values_refused():
            return run(
                series,
                configurations,
                rules,
                policy,
                cash=cash,
                between=(start, end),
                finer=finer,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )


def _configurations(wanted: Any, series: "Sequence[Candles]", where: str) -> "list[Configuration]":
    if not isinstance(wanted, list) or not wanted:
        raise CliError(f"{where} must be a JSON list of configurations, as [{{...}}]")
    found: dict[UUID, Configuration] = {}
    for number, entry in enumerate(wanted, 1):
        place = where if len(wanted) == 1 else f"{where}, configuration {number}"
        for one in _configurations_of(entry, series, place):
            if one.configuration_id in found:
                raise CliError(
                    f"{place}: the same strategy and parameters on {one.series} twice; give each a "
                    "configuration_id of its own if that is meant"
                )
            found[one.configuration_id] = one
    return list(found.values())


def _configurations_of(
    entry: Any, series: "Sequence[Candles]", where: str
) -> "list[Configuration]":
    """Return one configuration for each series that the entry means."""
    import json

    from contracts.events import NAMESPACE
    from tradepulse.strategies import get_strategy
    from tradepulse.strategies.evaluate import Configuration

    if not isinstance(entry, dict) or not isinstance(entry.get("strategy"), str):
        raise CliError(f'{where} must be an object with a strategy, as {{"strategy": "sma_cross"}}')
    if unknown := sorted(entry.keys() - _FIELDS):
        raise CliError(f"{where}: unknown {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    params = numbers_of(f"{where}: params", entry.get("params", {}))
    with values_refused(where):
        params = get_strategy(entry["strategy"]).complete(params)
    share = entry.get("share", 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise CliError(f"{where}: share {share!r} must be above 0 and at most 1")
    names = {name: entry[name] for name in ("exchange", "symbol", "timeframe") if name in entry}
    meant = [one for one in series if all(getattr(one, n) == v for n, v in names.items())]
    if not meant:
        there = ", ".join(one.series for one in series)
        raise CliError(f"{where}: no candles of {' '.join(map(str, names.values()))}; {there}")
    given = entry.get("configuration_id")
    if given is not None and len(meant) > 1:
        raise CliError(f"{where}: a configuration_id needs one symbol, not {len(meant)}")
    written = json.dumps([entry["strategy"], params], sort_keys=True)
    try:
        ids = [UUID(given) if given else uuid5(NAMESPACE, f"{s.series}:{written}") for s in meant]
    except (ValueError, AttributeError, TypeError):
        raise CliError(f"{where}: configuration_id {given!r} is no UUID") from None
    return [
        Configuration(
            one_id, entry["strategy"], s.exchange, s.symbol, s.timeframe, params, float(share)
        )
        for one_id, s in zip(ids, meant, strict=True)
    ]


def _policy(portfolio: Portfolio, series: "Sequence[Candles]") -> "WeightPolicy":
    """Return the weight policy; fixed weights go by symbol or by `exchange:symbol`."""
    from tradepulse.research.model_files import PREFIX
    from tradepulse.trading.policies.named import policy_named
    from tradepulse.trading.weights import checked_budget

    text, budget = portfolio.weights, portfolio.budget
    with values_refused("--budget"):
        checked_budget(budget)
    if text.startswith(PREFIX):
        return _model(portfolio, series)
    if not text.lstrip().startswith("{"):
        with values_refused("--weights"):
            if text == "fixed":
                raise CliError('--weights: write fixed weights as {"BTC/USD": 0.5}')
            return policy_named(text, budget=budget)
    fixed: dict[str, float] = {}
    for name, weight in numbers_of("--weights", json_of("--weights", text)).items():
        meant = {one.instrument for one in series if name in (one.symbol, one.instrument)}
        if not meant:
            there = ", ".join(dict.fromkeys(one.symbol for one in series))
            raise CliError(f"--weights: there are no candles of {name}; there are {there}")
        fixed.update(dict.fromkeys(meant, weight))
    with values_refused("--weights"):
        return policy_named("fixed", fixed=fixed, budget=budget)


def _model(portfolio: Portfolio, series: "Sequence[Candles]") -> "WeightPolicy":
    """Return the policy of a model of the registry or of a file, if it can see these candles."""
    from tradepulse.research.model_files import learned_policy
    from tradepulse.research.model_registry import names_registered

    text, budget = portfolio.weights, portfolio.budget
    with values_refused("--weights"):
        if names_registered(text):
            policy = _registered(text, budget, portfolio.state)
        else:
            policy = learned_policy(text, budget)
    seen = {one.instrument for one in series if one.timeframe == policy.timeframe}
    if unseen := [one for one in series if one.instrument not in seen]:
        raise CliError(
            f"--weights: the model sees candles of {policy.timeframe}, and there are none of "
            f"{unseen[0].instrument}: give them, or a model of {unseen[0].timeframe}"
        )
    return policy


def _registered(text: str, budget: float, state: Path) -> "LearnedPolicy":
    from tradepulse.research.model_registry import registered_policy

    return with_database(database_url(state), lambda at: registered_policy(at, text, budget))


def _one_quote_currency(series: "Sequence[Candles]") -> None:
    quotes = {one.symbol.partition("/")[2] for one in series}
    if len(quotes) > 1:
        raise CliError(
            f"one account has one currency, but these symbols are quoted in "
            f"{', '.join(sorted(quotes))}: choose some with --symbol"
        )
