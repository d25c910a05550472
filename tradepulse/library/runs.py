"""What a backtest found, for notebooks: frames of floats, drawings, a report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl

from tradepulse.candles.arrays import Candles
from tradepulse.library.drawn import Drawing, run_report
from tradepulse.library.held import Held, bought_and_held, kept_in_cash
from tradepulse.research.report_page import run_drawing, run_figures, run_page
from tradepulse.strategies import get_strategy
from tradepulse.strategies.divisions import Divisions, divisions
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import BacktestResult
from tradepulse.trading.metrics import FIGURES, Metrics, ledger_metrics
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import WeightPolicy

STRATEGY, BUY_AND_HOLD, CASH = "strategy", "buy_and_hold", "cash"
"""The accounts of `Run.metrics`."""
_TIME = pl.Datetime("ms", "UTC")
_TEXT, _FLOAT = pl.String(), pl.Float64()
_SERIES: dict[str, pl.DataType] = {
    "strategy": _TEXT, "configuration_id": _TEXT, "exchange": _TEXT, "symbol": _TEXT,
    "timeframe": _TEXT, "side": _TEXT,
}  # fmt: skip
_TRADES: dict[str, pl.DataType] = {
    "position_id": _TEXT, **_SERIES, "quantity": _FLOAT,
    "entry_time": _TIME, "entry_price": _FLOAT, "exit_time": _TIME, "exit_price": _FLOAT,
    "exit_reason": _TEXT, "fees": _FLOAT, "profit": _FLOAT,
}  # fmt: skip
_REFUSED: dict[str, pl.DataType] = {
    "decided_at": _TIME, **_SERIES, "order_type": _TEXT, "reference_price": _FLOAT,
    "reason": _TEXT,
}  # fmt: skip
_EQUITY: dict[str, pl.DataType] = {
    "close_time": _TIME, "cash": _FLOAT, "equity": _FLOAT, "exposure": _FLOAT,
    "open_positions": pl.Int64(),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a backtest was told, all of it read and checked.

    Attributes:
        series: what is traded, with the candles before that warm up.
        configurations: that trade it.
        rules: of the account.
        policy: sizes the entries.
        cash: to begin with, quote currency.
        between: first open time that is traded and the one before which it ends, epoch ms.
        finer: lower-timeframe candles.
    """

    series: Sequence[Candles]
    configurations: Sequence[Configuration]
    rules: AccountRules
    policy: WeightPolicy
    cash: Decimal
    between: tuple[int | None, int | None] = (None, None)
    finer: Sequence[Candles] = ()


@dataclass(frozen=True)
class Run:
    """One backtest.

    The frames are of floats, for analysis; `exact` has the decimals of the ledger. What is
    undefined is null. Times are UTC.

    Attributes:
        told: what was asked for.
        exact: what the account did, to the last digit.
    """

    told: Told
    exact: BacktestResult = field(repr=False)

    @property
    def metrics(self) -> pl.DataFrame:
        """One row for `strategy`, `buy_and_hold` and `cash` each, with the figures of `Metrics`."""
        rows = [
            {"account": name, **found.as_dict()}
            for name, found in {STRATEGY: self.figures, **self.benchmarks}.items()
        ]
        types = dict.fromkeys(FIGURES, pl.Float64()) | {"trades": pl.Int64()}
        return pl.DataFrame(rows, schema={"account": pl.String(), **types})

    @cached_property
    def figures(self) -> Metrics:
        """The figures of the account."""
        return ledger_metrics(float(self.told.cash), self.exact.equity, self.exact.trades)

    @property
    def benchmarks(self) -> dict[str, Metrics]:
        """The same of buying and holding, and of cash, over the same range and with its cash."""
        kept = kept_in_cash(self.close_time, float(self.told.cash))
        return {BUY_AND_HOLD: self.held.metrics, CASH: kept.metrics}

    @cached_property
    def held(self) -> Held:
        """Buying and holding what was traded: see docs/guides/python.md."""
        cash = float(self.told.cash)
        return bought_and_held(self.traded, self.close_time, cash, self.told.rules)

    @property
    def traded(self) -> list[Candles]:
        """The candles of the range, without those that only warmed up."""
        found = [one.between(*self.told.between) for one in self.told.series]
        return [one for one in found if len(one)]

    @cached_property
    def close_time(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """int64 `(n,)`, the closes of the account, epoch ms."""
        return np.array([point.close_time for point in self.exact.equity], np.int64)

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row for each trade, in the order in which they closed."""
        return _frame(_TRADES, self.exact.trades, self._strategies)

    @cached_property
    def equity(self) -> pl.DataFrame:
        """One row for each close; `buy_and_hold` is the equity of having bought and held."""
        found = _frame(_EQUITY, self.exact.equity, {})
        return found.with_columns(pl.Series(BUY_AND_HOLD, self.held.equity))

    @cached_property
    def refused(self) -> pl.DataFrame:
        """One row for each entry that the account refused, with the reason.

        Entries that are refused for their levels never become orders: `exact.entries` counts them.
        """
        return _frame(_REFUSED, self.exact.refused, self._strategies)

    @cached_property
    def divided(self) -> dict[UUID, Divisions]:
        """Where strategies of the user's own divide by zero; those of the package are tested."""
        _, end = self.told.between
        by_series = {one.series: one.between(None, end) for one in self.told.series}
        return {
            one.configuration_id: divisions(found, one.params, by_series[one.series])
            for one in self.told.configurations
            if not (found := get_strategy(one.strategy)).is_bundled
        }

    def plot(self, symbol: str | None = None) -> Drawing:
        """Draw equity beside buying and holding, drawdown, and prices with the trades.

        A notebook shows it; `str()` of it is HTML with SVG that loads nothing.

        Args:
            symbol: whose prices and trades; by default of the series with the most trades.

        Raises:
            ValueError: it was not traded.
        """
        return Drawing(run_report(self, symbol))

    def report(self, path: Path | str) -> Path:
        """Write all of it as one page of HTML that opens offline; return where it is.

        Raises:
            OSError: it cannot be written.
        """
        place = Path(path)
        place.write_text(run_page(run_report(self)), encoding="utf-8")
        return place

    def _repr_html_(self) -> str:
        told = run_report(self)
        return f"{run_figures(told)}{run_drawing(told)}"

    @property
    def _strategies(self) -> dict[UUID, str]:
        return {one.configuration_id: one.strategy for one in self.told.configurations}


def _frame(
    types: Mapping[str, pl.DataType], items: Iterable[Any], strategies: Mapping[UUID, str]
) -> pl.DataFrame:
    rows = list(items)
    columns = {name: _column(rows, name, strategies) for name in types}
    return pl.DataFrame(
        [pl.Series(name, columns[name], dtype=_stored(kind)).cast(kind)
         for name, kind in types.items()]
    )  # fmt: skip


def _column(rows: Sequence[Any], name: str, strategies: Mapping[UUID, str]) -> list[Any]:
    if name == "strategy":
        return [strategies[one.configuration_id] for one in rows]
    values = [getattr(one, name) for one in rows]
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, int | float | str) else str(value)


def _stored(kind: pl.DataType) -> pl.DataType:
    """Return how a column is given: times are epoch ms."""
    return pl.Int64() if kind == _TIME else kind
