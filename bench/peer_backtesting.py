"""backtesting.py: see bench/peer_task.py."""

import warnings
from typing import Any

import backtesting
import pandas as pd
from backtesting import Backtest, Strategy
from peer_task import ATR_WINDOW, CASH, FAST, FEE, FRACTION, SLOW, SWEEP, Task, Trades, answer


class Cross(Strategy):
    """Two moving averages."""

    def init(self) -> None:
        """Make the columns."""
        close = pd.Series(self.data.Close)
        self.fast = self.I(lambda: close.rolling(FAST).mean())
        self.slow = self.I(lambda: close.rolling(SLOW).mean())

    def next(self) -> None:
        """Decide at the close of a candle."""
        now = self.fast[-1] - self.slow[-1]
        before = self.fast[-2] - self.slow[-2]
        if now > 0 >= before and not self.position:
            self.buy(size=FRACTION)
        elif now < 0 <= before and self.position:
            self.position.close()


class Sweep(Strategy):
    """The liquidity sweep."""

    def init(self) -> None:
        """Make the columns."""
        data = self.data.df
        before = data.Close.shift(1)
        ranges = data.High.combine(before, max) - data.Low.combine(before, min)
        ranges.iloc[0] = float("nan")
        window = int(SWEEP["window"])
        unit = ranges.rolling(ATR_WINDOW).mean().shift(1)
        floor = data.Low.rolling(window).min().shift(1)
        usual = data.Volume.rolling(window).mean().shift(1)
        signal = (
            (data.Low < floor)
            & (data.Low <= floor - SWEEP["sweep_atr"] * unit)
            & (data.Close > floor)
            & (data.Volume >= SWEEP["volume_factor"] * usual)
        )
        self.signal = self.I(lambda: signal.astype(float))
        self.stop = self.I(lambda: data.Low - SWEEP["stop_atr"] * unit)
        self.target = self.I(lambda: data.Close + SWEEP["target_atr"] * unit)

    def next(self) -> None:
        """Decide at the close of a candle."""
        if self.signal[-1] and not self.position:
            self.buy(size=FRACTION, sl=self.stop[-1], tp=self.target[-1])


def trades_of(found: Any) -> Trades:
    trades = found._trades  # noqa: SLF001 - its public place
    columns = ("EntryBar", "ExitBar", "EntryPrice", "ExitPrice")
    rows = zip(*(trades[name] for name in columns), strict=True)
    return [(int(a), int(b), float(p), float(q)) for a, b, p, q in rows]


def work(task: Task) -> None:
    warnings.simplefilter("ignore")
    backtesting.backtesting._tqdm = lambda items, **_: items  # noqa: SLF001 - its bar costs time
    data = pd.DataFrame(
        {
            "Open": task.open,
            "High": task.high,
            "Low": task.low,
            "Close": task.close,
            "Volume": task.volume,
        },
        pd.to_datetime(task.open_time, unit="ms"),
    )
    name = f"backtesting.py {backtesting.__version__}"
    for kind, strategy in (("sma", Cross), ("sweep", Sweep)):

        def run(strategy: type[Strategy] = strategy) -> Any:
            made = Backtest(data, strategy, cash=CASH, commission=FEE, finalize_trades=True)
            return made.run()

        task.single(name, kind, run, trades_of)


if __name__ == "__main__":
    answer("backtesting", work)
