"""One backtest, for Python and for the command line alike."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Unpack

from tradepulse.candles.arrays import Candles
from tradepulse.candles.times import Time
from tradepulse.library.accounts import Account, account_rules
from tradepulse.library.amounts import Amount, amount
from tradepulse.library.progress import Tell, shown
from tradepulse.library.runs import Run, Told
from tradepulse.library.series import time_range
from tradepulse.library.uses import Named, Use, configurations, uses_of
from tradepulse.library.weights import Weights, policy_of
from tradepulse.strategies.evaluate import Configuration
from tradepulse.strategies.sources import referring
from tradepulse.trading.backtest import backtest as trade
from tradepulse.trading.defaults import CASH


class Options(Account, total=False):
    """What else may be said of a backtest.

    Attributes:
        budget: what the weights sum to at most, 1 by default.
        finer: lower-timeframe candles, which settle what a candle cannot tell itself.
        others: candles that strategies look at and that are not traded.
        progress: called now and then with (closes done, closes in all), in place of a bar.
    """

    budget: float
    finer: Candles | Sequence[Candles]
    others: Candles | Sequence[Candles]
    progress: Tell


def backtest(
    candles: Candles | Sequence[Candles],
    strategy: Named | Use | Sequence[Use],
    params: Mapping[str, float] | None = None,
    *,
    start: Time | None = None,
    end: Time | None = None,
    cash: Amount = CASH,
    weights: Weights = "equal",
    **options: Unpack[Options],
) -> Run:
    """Trade recorded candles on a paper account; the same as `tradepulse backtest`.

    Args:
        candles: one series or several, which share the cash and one quote currency. Those that
            open before `start` only warm up.
        strategy: a strategy's name, the path of a file that holds one, or uses of several.
        params: its parameters; the rest are its defaults.
        start: first open time that is traded; None for the first that there is.
        end: the open time before which trading ends; None for all.
        cash: to begin with, quote currency.
        weights: how the symbols share the account: `equal`, `inverse_volatility`, `hrp`,
            `min_variance`, `model:FILE`, `model:ID`, or fixed ones, as `{"BTC/USD": 0.5}`.
        options: of the account, see `Account`: fee, maker_fee, slippage, impact,
            max_symbol_notional, max_total_notional, max_open_positions, risk_per_trade, margin,
            markets. Of the run, see `Options`: budget, finer, others, progress.

    Raises:
        ValueError: something is wrong with what is given, or no candle is in the range.
        TypeError: an option is not known.
    """
    series = _listed(candles)
    uses = uses_of(strategy, params)
    said: dict[str, Any] = dict(options)
    budget, progress = said.pop("budget", 1.0), said.pop("progress", None)
    finer, others = _listed(said.pop("finer", ())), _listed(said.pop("others", ()))
    one_quote_currency(series)
    configured = configurations(uses, series)
    told = Told(
        series=looking_at(series, configured, others),
        configurations=configured,
        rules=account_rules(dict.fromkeys(one.instrument for one in series), said),
        policy=policy_of(weights, series, budget),
        cash=amount("cash", cash, positive=True),
        between=time_range(start, end),
        finer=finer,
    )
    return run(told, progress)


def run(told: Told, progress: Tell | None = None) -> Run:
    """Run a backtest that is read and checked.

    Args:
        told: all that it is to do.
        progress: told of it, in place of a bar for whoever looks on.

    Raises:
        ValueError: no candle is in the range, or a strategy fails.
    """
    with nullcontext(progress) if progress is not None else shown("Trading") as tell:
        found = trade(
            told.series,
            told.configurations,
            told.rules,
            told.policy,
            cash=told.cash,
            between=told.between,
            finer=told.finer,
            progress=tell,
        )
    return Run(told, found)


def one_quote_currency(series: Sequence[Candles]) -> None:
    """Refuse series that one account cannot hold.

    Raises:
        ValueError: they have several quote currencies, or there is none.
    """
    quotes = {one.symbol.partition("/")[2] for one in series}
    if len(quotes) != 1:
        raise ValueError(
            f"one account has one currency, but these symbols are quoted in "
            f"{', '.join(sorted(quotes)) or 'none'}: choose some by their symbol"
        )


def looking_at(
    series: Sequence[Candles], configured: Sequence[Configuration], others: Sequence[Candles]
) -> list[Candles]:
    """Give each series what its strategies look at of the others."""
    names: dict[str, set[str]] = {}
    for one in configured:
        names.setdefault(one.series, set()).update(one.references)
    there = [*series, *others]
    return [referring(one, names.get(one.series, ()), there) for one in series]


def _listed(candles: Candles | Sequence[Candles]) -> list[Candles]:
    return [candles] if isinstance(candles, Candles) else list(candles)
