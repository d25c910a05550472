"""The general layout: a time, four prices, a volume, under their usual names.

So TradingView, Yahoo, Kaggle's data sets, hummingbot, Excel and most scripts write candles. What
the names of the columns and of the file do not say is inferred where it can be, and told.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import polars as pl

from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.market_data.files.csv_text import BINANCE
from tradepulse.market_data.files.decimals import read_figures
from tradepulse.market_data.files.file_names import BINANCE as BINANCE_NAME
from tradepulse.market_data.files.file_names import (
    Said,
    futures_refused,
    required,
    said_by,
    settled,
)
from tradepulse.market_data.files.joined import without_holes
from tradepulse.market_data.files.legacy import infer_timeframe
from tradepulse.market_data.files.pairs import OTHER_NAMES, interval_of, stem_of, symbol_of
from tradepulse.market_data.files.rows import (
    FIGURES,
    NAMES,
    PROBLEM,
    CandleFileError,
    Given,
    Rows,
    Table,
    rows_of,
)
from tradepulse.market_data.files.times import Witness, differing, read_times
from tradepulse.market_data.files.volumes import in_base

_TIMES = (
    *("open_time", "opentime", "time_open", "timeopen", "open_timestamp", "start_time"),
    *("starttime", "time_period_start", "unix", "unix_timestamp", "unix_time", "unixtime"),
    *("timestamp", "ts", "epoch", "epoch_time", "time", "datetime", "date_time", "date"),
    *("date_and_time", "datum", "zeit", "datum_zeit", "datum_and_zeit", "begin", "start"),
)
"""Names of a column of times, the better before the worse."""
_INDEX = ("", "index", "unnamed_0", "index_level_0", "column_1")
"""What pandas calls a column of which it knows no name."""
_ZONES = re.compile(r"^(?:(?:utc|gmt)_)?(.*?)(?:_(?:utc|gmt|ms|s|sec|seconds|us|ns))?$")
"""What may be around the name of a time and says nothing else: it is in UTC all the same."""
_PRICES = {
    "open": ("open", "open_price", "price_open", "o", "eroeffnung", "eroeffnungskurs", "erster"),
    "high": ("high", "high_price", "price_high", "h", "hoch", "hoechst", "max"),
    "low": ("low", "low_price", "price_low", "l", "tief", "tiefst", "min"),
    "close": (
        *("close", "close_price", "price_close", "c", "close_last", "schluss", "schlusskurs"),
        *("letzter", "last", "price"),
    ),
}
_BASE = (
    *("base_volume", "volume_base", "basevolume", "base_asset_volume", "volumefrom"),
    *("volume_from", "volume", "vol", "v", "volumen", "volume_traded", "base_vol"),
)
_QUOTE = (
    *("quote_volume", "quote_asset_volume", "quotevolume", "volume_quote", "quote_av"),
    *("volumeto", "volume_to", "volume_currency", "turnover", "quote_vol", "vol_ccy_quote"),
    *("vol_ccy", "notional", "volume_notional", "amount"),
)
_SAID = {"exchange": ("exchange",), "symbol": ("symbol", "ticker", "pair")}
_SAID["timeframe"] = ("timeframe", "interval")
_TIME_OF_DAY = r"^(?:\d{1,2}:\d\d(?::\d\d)?(?: ?[AaPp][Mm])?|\d{4}|\d{6})$"
_WORDS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def words(name: str) -> str:
    """Return a column's name in small letters, with `_` for all that is none and no digit."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip("\ufeff"))
    name = name.lower().translate(_WORDS)
    return re.sub(r"[^a-z0-9]+", "_", name).strip("_")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column is what, by the names of the file."""

    named: dict[str, list[str]]
    """Its columns by their names in plain words."""

    def first(self, names: Iterable[str]) -> str | None:
        """Return the first that there is, as the file calls it."""
        return next((self.named[name][0] for name in names if name in self.named), None)

    def times(self) -> list[str]:
        """Return those of times, the best first."""
        plain = {_ZONES.sub(r"\1", name): found[0] for name, found in self.named.items()}
        return [plain[name] for name in _TIMES if name in plain]

    def volumes(self, symbol: str) -> tuple[str | None, str | None]:
        """Return the column of volume in the base and in the quote currency."""
        base, _, quote = symbol.lower().partition("/")
        in_quote = self.first([f"volume_{quote}", f"{quote}_volume", f"vol_{quote}", *_QUOTE])
        own = [base, *(old.lower() for old, new in OTHER_NAMES.items() if new.lower() == base)]
        bases = [f for one in own for f in (f"volume_{one}", f"{one}_volume", f"vol_{one}")]
        in_base = self.first([*bases, *_BASE])
        unnamed = self.first(["volume"])
        if in_quote is None and in_base != unnamed:
            return in_base, unnamed
        return in_base, in_quote


def _columns(table: Table) -> _Columns:
    named: dict[str, list[str]] = {}
    for name in table.frame.columns:
        # polars tells the second of a name apart
        named.setdefault(words(re.sub(r"_duplicated_\d+$", "", name)), []).append(name)
    return _Columns(named)


def fits(table: Table) -> bool:
    """Tell whether there are four prices and a time, if only in a column without a name."""
    columns = _columns(table)
    has_prices = all(columns.first(names) for names in _PRICES.values())
    return has_prices and bool(columns.times() or columns.first(_INDEX) is not None)


def convert(table: Table, given: Given) -> Rows:
    """Return the rows of a file of the general layout.

    Raises:
        CandleFileError: a column is missing or there twice, or what the file means cannot be told.
    """
    table = _with_whole_times(table)
    columns = _columns(table)
    notes: list[str] = []
    names = settled(table, given, _said(table, columns), notes)
    return _converted(table, columns, names, "plain", notes)


def _with_whole_times(table: Table) -> Table:
    """Put a column of dates and one of times of day together, as MetaTrader parts them."""
    columns = _columns(table)
    parts = [columns.first(names) for names in (("date", "datum"), ("time", "zeit"))]
    if None in parts or not table.is_text:
        return table
    date, time = (table.frame[str(name)].str.strip_chars() for name in parts)
    if date.str.contains(":").any() or not time.str.contains(_TIME_OF_DAY).any():
        return table
    whole = (date + " " + time).alias(f"{parts[0]} and {parts[1]}")
    rest = table.frame.drop([str(name) for name in parts])
    return replace(table, frame=rest.with_columns(whole))


def fits_binance(table: Table) -> bool:
    """Tell whether the columns are those of Binance's archive, with a header or without."""
    names = set(_columns(table).named)
    return set(BINANCE) <= names or (
        {*BINANCE[:7]} <= names and BINANCE_NAME.fullmatch(stem_of(table.path)) is not None
    )


def convert_binance(table: Table, given: Given) -> Rows:
    """Return the rows of a file of data.binance.vision, as `BTCUSDT-1h-2024-01.csv`.

    Raises:
        CandleFileError: as for the general layout; or it is of futures.
    """
    parts = table.path.absolute().parts
    if ("futures", "um") in pairwise(parts) or ("futures", "cm") in pairwise(parts):
        raise futures_refused(table.path)
    columns = _columns(table)
    notes: list[str] = []
    said = _said(table, columns)
    stems = [stem_of(one) for one in (table.path, *table.path.parents[:1])]
    if said.exchange is None and any(BINANCE_NAME.fullmatch(stem) for stem in stems):
        said = replace(said, exchange="binance")
    names = settled(table, given, said, notes)
    return _converted(table, columns, names, "binance", notes)


def _said(table: Table, columns: _Columns) -> Said:
    """Return what the file says, in columns or by its name.

    Raises:
        CandleFileError: it is of futures, or of several series.
    """
    said = said_by(table.path)
    for name in NAMES:
        column = columns.first(_SAID[name])
        if column is None:
            continue
        values = table.frame[column].cast(pl.String).drop_nulls().unique(maintain_order=True)
        if len(values) > 1:
            raise CandleFileError(
                f"{table.path}: column {column} has {values[0]}, {values[1]} and so on: only files "
                "of our own layout hold several series; write a file for each"
            )
        if len(values):
            read = {"symbol": symbol_of, "timeframe": interval_of}.get(name, str.lower)
            said = replace(said, **{name: read(values[0]) or getattr(said, name)})
    return said


def _converted(
    table: Table, columns: _Columns, names: dict[str, str | None], layout: str, notes: list[str]
) -> Rows:
    used = _used(table, columns, names)
    time, volume, quote = used[0], used[5], used[6] if len(used) > len(FIGURES) + 1 else None
    raw = table.frame
    times = read_times(
        *(raw[time], time),
        mixed=True,
        witness=lambda: _seen(table, columns, time, names["timeframe"]),
    )
    other = next((name for name in columns.times() if name != time), None)
    if other is not None:
        notes += filter(None, [differing(times, time, raw[other])])
    read = read_figures(table, raw, used[1:], notes)
    values = {name: one for name, (one, _) in zip(FIGURES, read, strict=False)}
    if quote:
        values["volume"] = in_base(values, read[-1][0], (volume, quote), notes)
    frame = rows_of(
        {
            **{name: text or "" for name, text in names.items()},
            "open_time": times.values,
            **values,
        },
        [times.problems, *(problem for _, problem in read[: len(FIGURES)])],
        len(raw),
    )
    frame = without_holes(frame, table, raw, used[1:6], notes)
    frame = _with_timeframe(table, frame, names, notes)
    told = [_told_columns(table, time, volume, None if quote else names["symbol"]), times.told()]
    left = [name or "without a name" for name in raw.columns if name not in used]
    if left and layout == "plain":
        notes.append(f"left out: column {', '.join(left)}")
    return Rows(table.path, layout, frame, any_order=True, notes=[*filter(None, told), *notes])


def _used(table: Table, columns: _Columns, names: dict[str, str | None]) -> list[str]:
    """Return the columns of time, prices, volume, and of volume in quote currency if there is one.

    Raises:
        CandleFileError: one is missing or there twice; or exchange or symbol are not known.
    """
    times = columns.times() or [one for one in [columns.first(_INDEX)] if one is not None]
    found: dict[str, str | None] = {"time": times[0] if times else None}
    found |= {name: columns.first(known) for name, known in _PRICES.items()}
    missing = [name for name, one in found.items() if one is None]
    if missing:
        raise CandleFileError(
            f"{table.path}: no column is known as {' or '.join(missing)}; there are "
            f"{', '.join(table.frame.columns)}"
        )
    symbol = required(table, {**names, "timeframe": names["timeframe"] or "unknown"})["symbol"]
    base, quote = columns.volumes(symbol)
    if base is None:
        why = "" if quote is None else f"; {quote} is in the other currency"
        raise CandleFileError(
            f"{table.path}: no column is known as volume in {symbol.split('/')[0]}{why}; there are "
            f"{', '.join(table.frame.columns)}"
        )
    used = [*(str(one) for one in found.values()), base, *([quote] if quote else [])]
    twice = [one for one in used if len(columns.named[words(one)]) > 1]
    if twice:
        raise CandleFileError(f"{table.path}: a column is there twice: {', '.join(twice)}")
    return used


def _seen(table: Table, columns: _Columns, time: str, timeframe: str | None) -> Witness | None:
    """Return another column of times, to confirm those of rows in an unusual unit."""
    other = next((name for name in columns.times() if name != time), None)
    close = columns.first(["close_time"])
    if other is not None:
        with suppress(CandleFileError):
            return Witness(read_times(table.frame[other], other, mixed=True).values, other)
        return Witness(pl.Series([None] * len(table.frame), dtype=pl.Int64), other)
    if close is None or timeframe not in TIMEFRAMES_MS:
        return None
    ends = read_times(table.frame[close], close, mixed=True).values
    return Witness(ends + 1 - TIMEFRAMES_MS[timeframe], close)


def _with_timeframe(
    table: Table, frame: pl.DataFrame, names: dict[str, str | None], notes: list[str]
) -> pl.DataFrame:
    """Return the rows with the timeframe that their steps show, where nothing else says it.

    Raises:
        CandleFileError: they show none.
    """
    if names["timeframe"] is not None:
        return frame
    known = frame.filter(pl.col(PROBLEM).is_null())["open_time"]
    timeframe, why = infer_timeframe(known.to_numpy())
    if timeframe is None:
        raise CandleFileError(
            f"{table.path}: neither the file nor its name says the timeframe, nor do the times: "
            f"{why}: give --timeframe, one of {', '.join(TIMEFRAMES_MS)}"
        )
    notes.append(f"timeframe {timeframe}: {why}")
    return frame.with_columns(timeframe=pl.lit(timeframe))


def _told_columns(table: Table, time: str, volume: str, symbol: str | None) -> str:
    if not table.has_header:
        return f"no header, columns taken as {', '.join(table.frame.columns)}"
    taken = f", taken as in {symbol.split('/')[0]}" if symbol else ""
    return f"time is the column {time or 'without a name'}, volume {volume}{taken}"
