"""What the library reads of the database."""

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.loader import MarketData
from tradepulse.market_data.store import known_series
from tradepulse.research.model_registry import registered_policy
from tradepulse.runtime.db import connect, opened_pool
from tradepulse.trading.policies.learned import LearnedPolicy

Name = tuple[str, str, str]
"""Exchange, symbol, timeframe."""


async def read_stored(url: str, name: Name, start: int | None, end: int | None) -> Candles:
    """Return what is stored of a series in a range, epoch ms; None for all on that side.

    Raises:
        ValueError: nothing is; the line names what there is.
        DatabaseUnavailableError: the database cannot be used.
    """
    async with opened_pool(url, max_size=2, read_only=True) as pool:
        async with pool.acquire() as connection:
            known = await known_series(connection)
        own = [one for one in known if (one.exchange, one.symbol, one.timeframe) == name]
        # of none, one may be made of shorter ones
        ends = [one.ends for one in own or known if (one.exchange, one.symbol) == name[:2]]
        if ends:
            start = min(first for first, _ in ends) if start is None else start
            end = max(last for _, last in ends) if end is None else end
        found = None
        if start is not None and end is not None:
            found = await MarketData(pool).stored(*name, start, end)
    if found is None or not len(found):
        there = ", ".join(dict.fromkeys(one.series for one in known)) or "none at all"
        raise ValueError(
            f"no candles of {':'.join(name)} are stored in this range; there are {there}"
        )
    return found


async def read_policy(url: str, name: str, budget: float) -> LearnedPolicy:
    """Return the policy of `model:ID` of the registry.

    Raises:
        RefusedError: there is no such model, or it cannot be used.
        DatabaseUnavailableError: the database cannot be used.
    """
    connection = await connect(url)
    try:
        return await registered_policy(connection, name, budget)
    finally:
        await connection.close()
