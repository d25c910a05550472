"""The layouts of others: freqtrade, CryptoDataDownload, Kraken's dump, the legacy table.

Each function returns the rows of a file in our terms, with notes of all that was inferred.
"""

import re
from collections.abc import Sequence

import polars as pl

from tradepulse.market_data.files.pairs import (
    OTHER_NAMES,
    stem_of,
    symbol_of,
    timeframe_of,
    timeframe_of_minutes,
    venue_of,
)
from tradepulse.market_data.files.rows import (
    FIGURES,
    NAMES,
    CandleFileError,
    Given,
    Rows,
    Table,
    figures,
    rows_of,
)
from tradepulse.market_data.files.times import Times, read_times

_OPTIONS = {"exchange": "--exchange", "symbol": "--symbol-name", "timeframe": "--timeframe"}
_FREQTRADE = ("date", *FIGURES)
_KRAKEN_NAME = re.compile(r"([A-Z0-9.]+)_(\d+)")


def fits_freqtrade(table: Table) -> bool:
    """Tell whether the columns are `date, open, high, low, close, volume` and no more."""
    return set(table.lower().columns) == set(_FREQTRADE)


def convert_freqtrade(table: Table, given: Given) -> Rows:
    """Return the rows of a file of freqtrade's, as `binance/BTC_USDT-5m.feather`."""
    raw = table.lower()
    _require(table, raw, _FREQTRADE)
    pair, _, timeframe = stem_of(table.path).rpartition("-")
    folder = table.path.absolute().parent
    is_data_folder = folder.parent.name == "data"
    if pair.count("_") > 1 or timeframe in {"futures", "mark", "funding_rate"}:
        raise CandleFileError(f"{table.path}: futures are not supported, only spot markets")
    names = _names(
        table,
        given,
        exchange=folder.name if is_data_folder else venue_of(folder.name),
        symbol=symbol_of(pair.replace("_", "/")),
        timeframe=timeframe_of(timeframe),
    )
    return _rows(table, "freqtrade", raw, names, read_times(raw["date"], "date"), FIGURES)


def fits_cryptodatadownload(table: Table) -> bool:
    """Tell whether there are a time, a symbol, the four prices and at least one volume."""
    columns = set(table.lower().columns)
    return {"symbol", *FIGURES[:4]} <= columns and bool(_time_column(columns))


def convert_cryptodatadownload(table: Table, given: Given) -> Rows:
    """Return the rows of a CSV of CryptoDataDownload, as `Coinbase_BTCUSD_1h.csv`."""
    raw = table.lower()
    _require(table, raw, ("symbol", *FIGURES[:4]))
    time = _time_column(set(raw.columns))
    if time is None:
        raise CandleFileError(f"{table.path}: column unix or date is missing")
    said = raw["symbol"].drop_nulls().cast(pl.String)
    first = next((text for text in said.head(9) if text.lower() != "symbol"), "")
    words = re.split(r"[_\-]", stem_of(table.path))
    names = _names(
        table,
        given,
        exchange=venue_of(words[0]),
        symbol=symbol_of(first),
        timeframe=next(filter(None, map(timeframe_of, words[1:])), None),
    )
    base = names["symbol"].split("/")[0]
    own = {base.lower(), *(old.lower() for old, new in OTHER_NAMES.items() if new == base)}
    volumes = [name for name in raw.columns if name.startswith("volume")]
    wanted = {*(f"volume_{name}" for name in own), "volumefrom", "volume_from"}
    found = [name for name in volumes if name in wanted] or volumes
    if len(found) != 1:
        raise CandleFileError(
            f"{table.path}: which volume is in {base}? There is {', '.join(volumes) or 'none'}, "
            f"expected volume_{base.lower()}"
        )
    others = pl.select(
        pl.when(raw["symbol"].is_null())
        .then(pl.lit("symbol is empty"))
        .when(raw["symbol"] != first)
        .then(pl.format("symbol '{}' is another than the file's", raw["symbol"]))
    ).to_series()
    times = read_times(raw[time], time)
    columns = (*FIGURES[:4], found[0])
    rows = _rows(table, "cryptodatadownload", raw, names, times, columns, [others])
    return Rows(
        rows.path,
        rows.layout,
        rows.frame,
        any_order=True,
        notes=[*rows.notes, f"volume is the column {found[0]}"],
    )


def fits_kraken(table: Table) -> bool:
    """Tell whether the file has no header: only Kraken's dumps have none."""
    return not table.has_header


def convert_kraken(table: Table, given: Given) -> Rows:
    """Return the rows of a CSV of Kraken's OHLCVT dump, as `XBTUSD_60.csv`."""
    if table.has_header:
        raise CandleFileError(f"{table.path}: has a header, which Kraken's dump has not")
    found = _KRAKEN_NAME.fullmatch(stem_of(table.path))
    names = _names(
        table,
        given,
        exchange="kraken",
        symbol=symbol_of(found[1]) if found else None,
        timeframe=timeframe_of_minutes(int(found[2])) if found else None,
    )
    times = read_times(table.frame["time"], "time")
    return _rows(table, "kraken", table.frame, names, times, FIGURES)


def _time_column(columns: set[str]) -> str | None:
    known = ("unix", "unix_timestamp", "timestamp", "date")
    return next((name for name in known if name in columns), None)


def _require(table: Table, raw: pl.DataFrame, wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in raw.columns]
    if missing:
        raise CandleFileError(
            f"{table.path}: column {', '.join(missing)} is missing; there are "
            f"{', '.join(raw.columns)}"
        )


def _names(table: Table, given: Given, **found: str | None) -> dict[str, str]:
    """Return the three names: as given, else as found in the file's name.

    Raises:
        CandleFileError: one is neither.
    """
    names = {name: getattr(given, name) or found[name] for name in NAMES}
    unknown = [name for name in NAMES if not names[name]]
    if unknown:
        raise CandleFileError(
            f"{table.path}: neither the file nor its name says the {' and '.join(unknown)}: give "
            f"{' and '.join(_OPTIONS[name] for name in unknown)}"
        )
    return {name: str(text) for name, text in names.items()}


def _rows(
    table: Table,
    layout: str,
    raw: pl.DataFrame,
    names: dict[str, str],
    times: Times,
    columns: Sequence[str],
    problems: Sequence[pl.Series] = (),
) -> Rows:
    values, unreadable = figures(raw, columns)
    frame = rows_of(
        {**names, "open_time": times.values, **values},
        [*problems, times.problems, *unreadable],
        len(raw),
    )
    unit = next(iter(times.units), "")
    notes = [f"times are {'dates, UTC' if unit == 'text' else unit}"] if unit else []
    return Rows(table.path, layout, frame, notes=notes)
