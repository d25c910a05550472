"""How other programs write symbols, venues and timeframes, in our words."""

import re
from pathlib import Path

from tradepulse.candles.timeframes import TIMEFRAMES_MS

OTHER_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
"""Kraken's own names of assets."""
_QUOTES = (
    *("USDT", "USDC", "TUSD", "BUSD", "FDUSD", "PYUSD", "USDD", "DAI", "UST"),
    *("USD", "EUR", "GBP", "JPY", "CAD", "AUD", "CHF", "TRY", "BRL", "KRW", "RUB", "UAH", "MXN"),
    *("XBT", "BTC", "ETH", "BNB"),
)
_COMMON_ASSETS = (
    "AAVE ADA ALGO APE APT ARB ATOM AVAX AXS BAT BCH BNB BTC COMP CRV DASH DOGE DOT EOS ETC ETH "
    "FIL FTM GRT ICP LINK LTC LUNA MANA MATIC MKR NEAR OP PEPE SAND SHIB SOL SUI TON TRX UNI "
    "USDC USDT WBTC XBT XDG XLM XMR XRP XTZ YFI ZEC ZRX"
)
"""Assets that settle what `DOTUSD` means: DOT in USD, not DO in TUSD."""
_SEPARATORS = re.compile(r"[/_\-]")
_UNITS = {"m": "m", "min": "m", "minute": "m", "h": "h", "hour": "h", "d": "d", "day": "d"}
_TIMEFRAME = re.compile(r"(\d*)(m|min|minute|h|hour|hourly|d|day|daily)s?")
_VENUES = (
    "binance binanceus bitfinex bitflyer bitget bithumb bitmex bitstamp bittrex bybit cex coinbase "
    "cryptocom exmo gate gateio gemini hitbtc htx huobi itbit kraken kucoin mexc okcoin okex okx "
    "poloniex upbit"
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
    pairs = [[text.removesuffix(q), q] for q in _QUOTES if text.endswith(q) and text != q]
    common = [pair for pair in pairs if pair[0] in _COMMON_ASSETS.split()]
    found = pairs if len(pairs) == 1 else common
    return found[0] if len(found) == 1 else []


def timeframe_of(text: str) -> str | None:
    """Return `1h`, `hour`, `d`, `1min`, `5m` in our words; None where it is none of ours."""
    found = _TIMEFRAME.fullmatch(text.lower())
    if not found:
        return None
    unit = {"hourly": "h", "daily": "d"}.get(found[2]) or _UNITS[found[2]]
    name = f"{found[1] or 1}{unit}"
    return name if name in TIMEFRAMES_MS else None


def timeframe_of_minutes(minutes: int) -> str | None:
    """Return the timeframe of so many minutes, or None."""
    return next((name for name, ms in TIMEFRAMES_MS.items() if ms == minutes * 60_000), None)


def venue_of(text: str) -> str | None:
    """Return a text as a venue's name if it is one that is known."""
    return text.lower() if text.lower() in _VENUES.split() else None


def stem_of(path: Path) -> str:
    """Return a file's name without all its suffixes that tell the kind."""
    name = path.name
    for suffix in (".gz", ".csv", ".json", ".parquet", ".feather"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name
