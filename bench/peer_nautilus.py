"""nautilus_trader: see bench/peer_task.py.

Its market orders fill at the close of the candle that decides, so its prices of entries differ from
ours by the step to the next open. It fills no more than a part of a candle's volume, so each trade
is of a small fixed quantity. Indicators are columns made beforehand, which spares it their cost.
"""

from decimal import Decimal
from typing import Any

import nautilus_trader
import numpy as np
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy
from peer_task import ATR_WINDOW, CASH, FAST, FEE, SLOW, SWEEP, Task, Trades, answer

VENUE = Venue("BENCH")
PAIR = InstrumentId(Symbol("BTCUSDT"), VENUE)
# the candles may be of another length: nothing here asks the name
BARS = BarType.from_str(f"{PAIR}-5-MINUTE-LAST-EXTERNAL")
SIZE = Quantity.from_str("0.0001")


def instrument() -> CurrencyPair:
    return CurrencyPair(
        instrument_id=PAIR,
        raw_symbol=PAIR.symbol,
        base_currency=BTC,
        quote_currency=USDT,
        price_precision=2,
        size_precision=4,
        price_increment=Price.from_str("0.01"),
        size_increment=Quantity.from_str("0.0001"),
        maker_fee=Decimal(str(FEE)),
        taker_fee=Decimal(str(FEE)),
        ts_event=0,
        ts_init=0,
    )


class Rule(Strategy):
    """Acts on columns made beforehand: entries, exits, stops and targets."""

    def __init__(self, columns: tuple[Any, Any, Any, Any]) -> None:
        super().__init__()
        self.entries, self.exits, self.stops, self.targets = (c.tolist() for c in columns)
        self.row = -1

    def on_start(self) -> None:
        """Ask for the candles."""
        self.subscribe_bars(BARS)

    def on_bar(self, bar: Bar) -> None:  # noqa: ARG002 - the columns tell more
        """Decide at the close of a candle."""
        self.row += 1
        if self.entries[self.row] and self.portfolio.is_flat(PAIR):
            stop, target = self.stops[self.row], self.targets[self.row]
            if stop != stop:  # noqa: PLR0124 - NaN: the rule without levels
                self.submit_order(self.order_factory.market(PAIR, OrderSide.BUY, SIZE))
            else:
                self.submit_order_list(
                    self.order_factory.bracket(
                        PAIR,
                        OrderSide.BUY,
                        SIZE,
                        sl_trigger_price=Price(stop, 2),
                        tp_price=Price(target, 2),
                    )
                )
        elif self.exits[self.row] and not self.portfolio.is_flat(PAIR):
            self.close_all_positions(PAIR)


def columns_of(task: Task, kind: str) -> tuple[Any, Any, Any, Any]:
    nothing = np.full(len(task.close), np.nan)
    never = np.zeros(len(task.close), bool)
    if kind == "sma":
        close = pd.Series(task.close)
        gap = (close.rolling(FAST).mean() - close.rolling(SLOW).mean()).to_numpy()
        before = np.append(np.nan, gap[:-1])
        return (gap > 0) & (before <= 0), (gap < 0) & (before >= 0), nothing, nothing
    previous = np.roll(task.close, 1)
    ranges = np.maximum(task.high, previous) - np.minimum(task.low, previous)
    ranges[0] = np.nan
    unit = pd.Series(ranges).rolling(ATR_WINDOW).mean().shift(1).to_numpy()
    window = int(SWEEP["window"])
    floor = pd.Series(task.low).rolling(window).min().shift(1).to_numpy()
    usual = pd.Series(task.volume).rolling(window).mean().shift(1).to_numpy()
    entries = (
        (task.low < floor)
        & (task.low <= floor - SWEEP["sweep_atr"] * unit)
        & (task.close > floor)
        & (task.volume >= SWEEP["volume_factor"] * usual)
    )
    stops = task.low - SWEEP["stop_atr"] * unit
    return entries, never, stops, task.close + SWEEP["target_atr"] * unit


def run(columns: tuple[Any, Any, Any, Any], pair: CurrencyPair, bars: list[Bar]) -> Any:
    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=quiet))
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(CASH, USDT)], base_currency=USDT
    )
    engine.add_instrument(pair)
    engine.add_data(bars, validate=False)
    engine.add_strategy(Rule(columns))
    engine.run()
    return engine


def trades_of(task: Task, engine: Any, exit_shift: int) -> Trades:
    opens, found = task.open_time * 1_000_000, []
    closed = [*engine.cache.position_snapshots(), *engine.cache.positions_closed()]
    for one in sorted(closed, key=lambda position: position.ts_opened):
        entry, left = np.searchsorted(opens, (one.ts_opened, one.ts_closed)).tolist()
        found.append((entry, left + exit_shift, float(one.avg_px_open), float(one.avg_px_close)))
    return found


def work(task: Task) -> None:
    pair = instrument()
    frame = pd.DataFrame(
        {
            "open": task.open,
            "high": task.high,
            "low": task.low,
            "close": task.close,
            "volume": task.volume,
        },
        pd.to_datetime(task.open_time + task.candle_ms, unit="ms", utc=True),
    )
    bars = BarDataWrangler(BARS, pair).process(frame)
    name = f"nautilus_trader {nautilus_trader.__version__}"
    for kind, shift in (("sma", 0), ("sweep", -1)):
        columns = columns_of(task, kind)
        task.single(
            name,
            kind,
            lambda columns=columns: run(columns, pair, bars),
            lambda engine, shift=shift: trades_of(task, engine, shift),
            budget=0,
        )


if __name__ == "__main__":
    answer("nautilus", work)
