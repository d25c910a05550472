"""How other programs write symbols, venues and timeframes, in our words."""

import re
from pathlib import Path

from tradepulse.candles.timeframes import TIMEFRAMES_MS

OTHER_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
"""Kraken's own names of assets."""
QUOTES = (
    *("USDT", "USDC", "TUSD", "BUSD", "FDUSD", "PYUSD", "USDD", "DAI", "UST"),
    *("USD", "EUR", "GBP", "JPY", "CAD", "AUD", "CHF", "TRY", "BRL", "KRW", "RUB", "UAH", "MXN"),
    *("XBT", "BTC", "ETH", "BNB"),
)
_ASSETS = (
    "AAVE ADA ALGO APE APT ARB ATOM AVAX AXS BAT BCH BNB BTC COMP CRV DASH DOGE DOT EOS ETC ETH "
    "FIL FTM GRT ICP LINK LTC LUNA MANA MATIC MKR NEAR OP PEPE SAND SHIB SOL SUI TON TRX UNI "
    "USDC USDT WBTC XBT XDG XLM XMR XRP XTZ YFI ZEC ZRX"
)
COMMON_ASSETS = frozenset(_ASSETS.split())
"""Assets that settle what `DOTUSD` means: DOT in USD, not DO in TUSD."""
_SECOND = re.compile(r" ?\(\d+\)$")
"""What a browser puts behind the name of a file that is there already."""
_SEPARATORS = re.compile(r"[/_\-]")
_UNITS = {
    "s": "s",
    "sec": "s",
    "second": "s",
    "m": "m",
    "min": "m",
    "minute": "m",
    "minutely": "m",
    "h": "h",
    "hr": "h",
    "hour": "h",
    "hourly": "h",
    "d": "d",
    "day": "d",
    "daily": "d",
    "w": "w",
    "wk": "w",
    "week": "w",
    "weekly": "w",
    "mo": "M",
    "mon": "M",
    "mth": "M",
    "month": "M",
    "monthly": "M",
    "y": "y",
    "year": "y",
    "yearly": "y",
}
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TIMEFRAME = re.compile(rf"(\d*)({'|'.join(sorted(_UNITS, key=len, reverse=True))})s?")
_MONTHS = re.compile(r"\d*M")
"""`1M` is a month, `1m` a minute."""
_VENUES = (
    "binance binanceus bitfinex bitflyer bitget bithumb bitmex bitstamp bittrex bybit cex coinbase "
    "cryptocom exmo gate gateio gemini hitbtc htx huobi itbit kraken kucoin mexc okcoin okex okx "
    "phemex poloniex upbit whitebit"
)
"""Names that a folder or a file's name is believed to be a venue by."""


def symbol_of(text: str) -> str | None:
    """Return `BTCUSD`, `XBT/USD`, `BTC-USD` or `BTC_USD` as `BTC/USD`; None where it is no pair."""
    text = text.strip().upper()
    parts = _SEPARATORS.split(text)
    if len(parts) == 1:
        # XXBTZUSD: Kraken's old way, X for coins and Z for money
        old = re.fullmatch(r"X([A-Z]{3})[XZ]([A-Z]{3})", text)
        parts = list(old.groups()) if old else _split(text)
    if len(parts) != 2 or not all(re.fullmatch(r"[A-Z0-9.]+", part) for part in parts):  # noqa: PLR2004 - base and quote
        return None
    base, quote = (OTHER_NAMES.get(part, part) for part in parts)
    return f"{base}/{quote}"


def _split(text: str) -> list[str]:
    pairs = [[text.removesuffix(q), q] for q in QUOTES if text.endswith(q) and text != q]
    common = [pair for pair in pairs if pair[0] in COMMON_ASSETS]
    found = pairs if len(pairs) == 1 else common
    return found[0] if len(found) == 1 else []


def interval_of(text: str) -> str | None:
    """Return `1h`, `hour`, `5M`, `1min`, `weekly` as `1h`, `1h`, `5M`, `1m`, `1w`; else None.

    What is returned need not be a timeframe of ours.
    """
    if _MONTHS.fullmatch(text):
        return f"{text[:-1] or 1}M"
    found = _TIMEFRAME.fullmatch(text.lower())
    if not found:
        return None
    count, unit = int(found[1] or 1), _UNITS[found[2]]
    if unit not in _SECONDS:
        return f"{count}{unit}"
    known = {ms: name for name, ms in TIMEFRAMES_MS.items()} | {604_800_000: "1w"}
    return known.get(count * _SECONDS[unit] * 1000, f"{count}{unit}")


def timeframe_of(text: str) -> str | None:
    """Return `1h`, `hour`, `d`, `1min`, `5m` in our words; None where it is none of ours."""
    name = interval_of(text)
    return name if name in TIMEFRAMES_MS else None


def venue_of(text: str) -> str | None:
    """Return a text as a venue's name if it is one that is known."""
    return text.lower() if text.lower() in _VENUES.split() else None


def stem_of(path: Path) -> str:
    """Return a file's name without all its suffixes that tell the kind."""
    name = path.name
    for suffix in (".zip", ".gz", ".csv", ".tsv", ".json", ".parquet", ".feather"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return _SECOND.sub("", name)
