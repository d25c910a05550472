"""What a file's name says: exchange, symbol and timeframe, and whether it is of futures."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.market_data.files.pairs import (
    COMMON_ASSETS,
    QUOTES,
    interval_of,
    stem_of,
    symbol_of,
    venue_of,
)
from tradepulse.market_data.files.rows import NAMES, CandleFileError, Given, Table

_OPTIONS = {"exchange": "--exchange", "symbol": "--symbol", "timeframe": "--timeframe"}
_TRADING_VIEW = re.compile(r"([A-Za-z0-9]+)_([A-Za-z0-9.!]+), (\d*[SDWMR]?)(?:[_ ].*)?")
"""`COINBASE_BTCUSD, 60.csv`: minutes without a letter, `M` is a month."""
BINANCE = re.compile(r"([A-Z0-9]+(?:_[A-Z0-9]+)?)-(\d+(?:s|m|h|d|w|mo|M))-\d{4}-\d\d(?:-\d\d)?")
"""`BTCUSDT-1h-2024-01.csv`."""
_BESIDE = re.compile(r"(?<![A-Za-z0-9])(\d+)[-_ ](?=sec|min|hour|day|week|month)", re.IGNORECASE)
"""A number beside its unit, `1-min`."""
_TOKENS = re.compile(r"[^A-Za-z0-9.]+")
_FUTURES = frozenset(["perp", "perpetual", "perpetuals", "swap", "swaps", "futures", "future"])
_JOINED = {"binance us": "binanceus", "gate io": "gateio", "crypto com": "cryptocom"}


@dataclass(frozen=True, slots=True)
class Said:
    """What was found, and what was not.

    Attributes:
        exchange: venue.
        symbol: as in `BTC/USD`.
        timeframe: as in `1h`, `1w`; it need not be one of ours.
    """

    exchange: str | None = None
    symbol: str | None = None
    timeframe: str | None = None


def said_by(path: Path) -> Said:
    """Return what the name of a file says, or else that of the zip or folder that it is in.

    Raises:
        CandleFileError: it is of futures.
    """
    found = _said(path, stem_of(path))
    parents = path.absolute().parents
    archive = next((one for one in parents if one.suffix.lower() == ".zip"), None)
    if archive is not None:
        outer = _said(path, stem_of(archive))
        found = Said(*(getattr(found, name) or getattr(outer, name) for name in NAMES))
    folder = archive.parent if archive is not None else parents[0]
    return Said(found.exchange or venue_of(folder.name), found.symbol, found.timeframe)


def _said(path: Path, stem: str) -> Said:
    chart = _TRADING_VIEW.fullmatch(stem)
    if chart is not None:
        if chart[2].upper().endswith((".P", "!")) or "1!" in chart[2]:
            raise futures_refused(path)
        return Said(venue_of(chart[1]), symbol_of(chart[2]), _interval_of_chart(chart[3]))
    archived = BINANCE.fullmatch(stem)
    if archived is not None:
        if "_" in archived[1]:
            raise futures_refused(path)
        return Said(None, symbol_of(archived[1]), interval_of(archived[2]))
    tokens = [token for token in _TOKENS.split(_BESIDE.sub(r"\1", stem)) if token]
    if not _FUTURES.isdisjoint(token.lower() for token in tokens):
        raise futures_refused(path)
    return Said(
        _only(_venues(tokens)), _only(_symbols(tokens)), _only(filter(None, map(_interval, tokens)))
    )


def futures_refused(path: Path) -> CandleFileError:
    """Return why a file of futures is refused."""
    return CandleFileError(f"{path}: futures are not supported, only spot markets")


def _only(found: Iterable[str]) -> str | None:
    """Return what all of them are; None where there are none, or several."""
    different = set(found)
    return different.pop() if len(different) == 1 else None


def _interval_of_chart(text: str) -> str | None:
    return interval_of(f"{text}m" if text.isdigit() else text)


def _interval(token: str) -> str | None:
    # a year is no interval, nor is a letter alone, but for those of charts
    if token.isdigit() or (len(token) == 1 and token not in {"d", "D", "w", "W"}):
        return None
    return interval_of(token)


def _venues(tokens: list[str]) -> Iterable[str]:
    small = [token.lower() for token in tokens]
    for index, token in enumerate(small):
        both = _JOINED.get(" ".join(small[index : index + 2]))
        if both or venue_of(token):
            yield both or token


def _symbols(tokens: list[str]) -> Iterable[str]:
    is_quote = False
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if is_quote:
            is_quote = False
            continue
        is_quote = following.upper() in QUOTES and not venue_of(token) and _is_asset(token)
        found = symbol_of(f"{token}/{following}" if is_quote else token)
        if found and (is_quote or token.isupper() or found.split("/")[0] in COMMON_ASSETS):
            yield found


def _is_asset(token: str) -> bool:
    return token.isupper() or token.upper() in COMMON_ASSETS or token.upper() in QUOTES


def settled(table: Table, given: Given, found: Said, notes: list[str]) -> dict[str, str | None]:
    """Return the three names: as given, else as found, else as given otherwise, else None.

    Args:
        table: of the file.
        given: what the user says.
        found: what the file or its name says.
        notes: a line is added where the user is followed and not the name.

    Raises:
        CandleFileError: the name says a timeframe that is none of ours, and the user none.
    """
    names: dict[str, str | None] = {}
    for name in NAMES:
        is_given, is_found = getattr(given, name), getattr(found, name)
        if is_given and is_found and is_given != is_found:
            notes.append(f"{name} {is_given} as given, where the name says {is_found}")
        names[name] = is_given or is_found or getattr(given.otherwise, name, None)
    if not given.timeframe and found.timeframe and found.timeframe not in TIMEFRAMES_MS:
        raise CandleFileError(
            f"{table.path}: its name says {in_words(found.timeframe)}, and there is no such "
            f"timeframe here; there are {', '.join(TIMEFRAMES_MS)}. If the candles are of one of "
            "these, give --timeframe"
        )
    return names


def in_words(interval: str) -> str:
    """Return an interval, a month so that nobody takes it for a minute."""
    months = re.fullmatch(r"(\d+)M", interval)
    if not months:
        return interval
    return f"{interval} ({'a month' if months[1] == '1' else f'{months[1]} months'})"


def required(table: Table, names: dict[str, str | None]) -> dict[str, str]:
    """Return the three names.

    Raises:
        CandleFileError: one is not known.
    """
    unknown = [name for name in NAMES if not names[name]]
    if unknown:
        raise CandleFileError(
            f"{table.path}: neither the file nor its name says the {' and '.join(unknown)}: give "
            f"{' and '.join(_OPTIONS[name] for name in unknown)}"
        )
    return {name: str(names[name]) for name in NAMES}
