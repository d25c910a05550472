"""The layouts of others: freqtrade, CryptoDataDownload, Kraken's dump.

Each function returns the rows of a file in our terms, with notes of all that was inferred.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from tradepulse.market_data.files.csv_text import KRAKEN
from tradepulse.market_data.files.file_names import Said, futures_refused, required, settled
from tradepulse.market_data.files.joined import without_holes
from tradepulse.market_data.files.pairs import (
    OTHER_NAMES,
    interval_of,
    stem_of,
    symbol_of,
    venue_of,
)
from tradepulse.market_data.files.rows import (
    FIGURES,
    ROW,
    CandleFileError,
    Given,
    Rows,
    Table,
    figures,
    lower,
    numbers,
    rows_of,
)
from tradepulse.market_data.files.times import Times, Witness, differing, read_times
from tradepulse.market_data.files.volumes import in_base

_FREQTRADE = ("date", *FIGURES)
_FREQTRADE_NAME = re.compile(r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+-[A-Za-z0-9]+(?:-[a-z_]+)?")
_KRAKEN_NAME = re.compile(r"([A-Z0-9.]+)_(\d+)")


def fits_freqtrade(table: Table) -> bool:
    """Tell whether the columns are `date, open, high, low, close, volume`, and the name is its."""
    has_name = _FREQTRADE_NAME.fullmatch(stem_of(table.path)) is not None
    return set(table.frame.columns) == set(_FREQTRADE) and has_name


def convert_freqtrade(table: Table, given: Given) -> Rows:
    """Return the rows of a file of freqtrade's, as `binance/BTC_USDT-5m.feather`."""
    raw = table.lower()
    _require(table, raw, _FREQTRADE)
    pair, _, timeframe = stem_of(table.path).rpartition("-")
    folder = table.path.absolute().parent
    is_data_folder = folder.parent.name == "data"
    if pair.count("_") > 1 or timeframe in {"futures", "mark", "funding_rate"}:
        raise futures_refused(table.path)
    notes: list[str] = []
    names = _names(
        *(table, given, notes),
        exchange=folder.name if is_data_folder else venue_of(folder.name),
        symbol=symbol_of(pair.replace("_", "/")),
        timeframe=interval_of(timeframe),
    )
    return _rows(table, "freqtrade", raw, names, read_times(raw["date"], "date"), FIGURES, notes)


def fits_cryptodatadownload(table: Table) -> bool:
    """Tell whether there are a time, a symbol, the four prices and at least one volume."""
    columns = set(lower(table.frame.columns))
    return {"symbol", *FIGURES[:4]} <= columns and bool(_time_columns(columns))


def convert_cryptodatadownload(table: Table, given: Given) -> Rows:
    """Return the rows of a CSV of CryptoDataDownload, as `Coinbase_BTCUSD_1h.csv`."""
    raw = table.lower()
    _require(table, raw, ("symbol", *FIGURES[:4]))
    known = _time_columns(set(raw.columns))
    if not known:
        raise CandleFileError(f"{table.path}: column unix or date is missing")
    time = known[0]
    said = raw["symbol"].drop_nulls().cast(pl.String)
    first = next((text for text in said.head(9) if text.lower() != "symbol"), "")
    words = re.split(r"[_\-]", stem_of(table.path))
    notes: list[str] = []
    names = _names(
        *(table, given, notes),
        exchange=venue_of(words[0]),
        symbol=symbol_of(first),
        timeframe=next(filter(None, map(interval_of, words[1:])), None),
    )
    volume, quote = _volumes(table, raw, names["symbol"])
    others = pl.select(
        pl.when(raw["symbol"].is_null())
        .then(pl.lit("symbol is empty"))
        .when(raw["symbol"] != first)
        .then(pl.format("symbol '{}' is another than the file's", raw["symbol"]))
    ).to_series()

    def seen() -> Witness:
        # dates that may be read in two ways confirm nothing
        try:
            return Witness(read_times(raw[known[1]], known[1], mixed=True).values, known[1])
        except CandleFileError:
            return Witness(pl.Series([None] * len(raw), dtype=pl.Int64), known[1])

    witness = {"witness": seen} if len(known) > 1 else {}
    times = read_times(raw[time], time, mixed=True, **witness)
    columns = (*FIGURES[:4], volume)
    if len(known) > 1:
        notes += filter(None, [differing(times, time, raw[known[1]])])
    notes.append(f"volume is the column {volume}")
    rows = _rows(table, "cryptodatadownload", raw, names, times, columns, notes, others)
    if quote is None:
        return replace(rows, any_order=True)
    frame = rows.frame
    in_quote = numbers(raw[quote], quote)[0].gather(frame[ROW] - 1)
    values = {name: frame[name] for name in FIGURES}
    told = list(rows.notes)
    base = in_base(values, in_quote, (volume, quote), told)
    return replace(rows, frame=frame.with_columns(volume=base), any_order=True, notes=told)


def _volumes(table: Table, raw: pl.DataFrame, symbol: str) -> tuple[str, str | None]:
    """Return the column of volume in the base currency, and that in the quote currency, if any.

    Raises:
        CandleFileError: none, or several, may be in the base currency.
    """
    base, _, quote = symbol.partition("/")
    own = {base.lower(), *(old.lower() for old, new in OTHER_NAMES.items() if new == base)}
    volumes = [name for name in raw.columns if name.startswith("volume")]
    wanted = {*(f"volume_{name}" for name in own), "volumefrom", "volume_from"}
    found = [name for name in volumes if name in wanted] or volumes
    if len(found) != 1:
        raise CandleFileError(
            f"{table.path}: which volume is in {base}? There is {', '.join(volumes) or 'none'}, "
            f"expected volume_{base.lower()}"
        )
    in_quote = (f"volume_{quote.lower()}", "volumeto", "volume_to", "volume")
    return found[0], next((n for n in in_quote if n in volumes and n != found[0]), None)


def fits_kraken(table: Table) -> bool:
    """Tell whether the file has no header, and the columns of Kraken's dumps."""
    return not table.has_header and tuple(table.frame.columns) == KRAKEN


def convert_kraken(table: Table, given: Given) -> Rows:
    """Return the rows of a CSV of Kraken's OHLCVT dump, as `XBTUSD_60.csv`."""
    if table.has_header:
        raise CandleFileError(f"{table.path}: has a header, which Kraken's dump has not")
    if tuple(table.frame.columns) != KRAKEN:
        columns = len(table.frame.columns)
        raise CandleFileError(
            f"{table.path}: has {columns} columns, where Kraken's dump has {len(KRAKEN)}"
        )
    found = _KRAKEN_NAME.fullmatch(stem_of(table.path))
    notes: list[str] = []
    names = _names(
        *(table, given, notes),
        exchange="kraken",
        symbol=symbol_of(found[1]) if found else None,
        timeframe=interval_of(f"{found[2]}m") if found else None,
    )
    times = read_times(table.frame["time"], "time")
    return _rows(table, "kraken", table.frame, names, times, FIGURES, notes)


def _time_columns(columns: set[str]) -> list[str]:
    known = ("unix", "unix_timestamp", "timestamp", "date")
    return [name for name in known if name in columns]


def _require(table: Table, raw: pl.DataFrame, wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in raw.columns]
    if missing:
        raise CandleFileError(
            f"{table.path}: column {', '.join(missing)} is missing; there are "
            f"{', '.join(raw.columns)}"
        )


def _names(table: Table, given: Given, notes: list[str], **found: str | None) -> dict[str, str]:
    """Return the three names: as given, else as found in the file's name.

    Raises:
        CandleFileError: one is neither.
    """
    return required(table, settled(table, given, Said(**found), notes))


def _rows(
    table: Table,
    layout: str,
    raw: pl.DataFrame,
    names: dict[str, str],
    times: Times,
    columns: Sequence[str],
    notes: list[str],
    *problems: pl.Series,
) -> Rows:
    values, unreadable = figures(raw, columns)
    frame = rows_of(
        {**names, "open_time": times.values, **values},
        [*problems, times.problems, *unreadable],
        len(raw),
    )
    frame = without_holes(frame, table, raw, columns, notes)
    return Rows(table.path, layout, frame, notes=[*filter(None, [times.told()]), *notes])
