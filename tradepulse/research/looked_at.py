"""Are there candles of the instruments that a strategy looks at beside its own series?"""

from tradepulse.candles.series import OnSeries
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import RefusedError
from tradepulse.strategies import get_strategy, strategy_names

_LACKS = """
select not exists (select from candle_series k where exchange = $1 and symbol = $2
        and timeframe = $3 and exists (select from candles c where c.series = k.series))
    or exists (select from subscriptions where exchange = $4 and symbol = $5 and timeframe = $6)
        and not exists (
            select from subscriptions where exchange = $1 and symbol = $2 and timeframe = $3)
"""
"""Whether the first series is not there for the second: nothing of it is stored, or only the second
is followed live."""


async def check_references(connection: Connection, series: OnSeries, strategy: str) -> None:
    """Refuse what could only ever look at nothing.

    A strategy whose file is not here passes.

    Raises:
        RefusedError: of an instrument that the strategy looks at there are no candles, or they are
            not followed live while the series is.
    """
    if strategy not in strategy_names():
        return
    own = series.exchange, series.symbol, series.timeframe
    for name in get_strategy(strategy).references(series):
        exchange, _, symbol = name.partition(":")
        if await connection.fetchval(_LACKS, exchange, symbol, series.timeframe, *own):
            raise RefusedError(
                "no_reference",
                f"{strategy} on {series.series} looks at {name}, whose {series.timeframe} candles "
                "nobody follows: subscribe to them, or import them for a replay, then activate it",
            )
