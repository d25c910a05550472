"""The drift watch's process: works out the days of each model that are over, a line of JSON each.

A process of its own, which gives way to all others: what it computes would hold up the deciding,
and what it fails at ends nothing else. It reads, and writes nothing; `drift_watch.py` keeps what it
says.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import asyncpg
import msgspec

from rl_svc.drift_watch import Found
from rl_svc.settings import PortfolioSettings
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.instrument_rules import binding_rules, market_rules
from tradepulse.market_data.store import load_candles
from tradepulse.research.configurations import list_configurations
from tradepulse.research.drift import ModelDay, next_evidence
from tradepulse.research.model_day import Decided, growths_of, rules_of, seen_in
from tradepulse.research.model_days import begun_at, day_of, model_days
from tradepulse.research.model_registry import StoredModel, model_row, stored_model
from tradepulse.runtime.db import UNREACHABLE, Connection, at, ms, opened_pool
from tradepulse.runtime.settings import load_settings
from tradepulse.strategies import strategy_names
from tradepulse.strategies.evaluate import Configuration
from tradepulse.strategies.files import StrategySettings
from tradepulse.strategies.sources import referring
from tradepulse.trading.policies.features import LOOKBACK
from tradepulse.trading.policies.figure_bins import WINDOW_DAYS
from tradepulse.trading.policies.model import Model
from tradepulse.trading.weights import DAY_MS

NICENESS = 10

_IN_SERVICE = """
select model_id from rl_models where portfolio = $1 and stage in ('ACTIVE', 'SHADOW')
order by stage, stage_since, model_id
"""
_NEXT_CLOSE = """
select least(
    (select min(close_time) from portfolio_weights where portfolio = $1 and model_id = $2
     and fallback is null and close_time >= $3),
    (select min(close_time) from shadow_weights where portfolio = $1 and model_id = $2
     and fallback is null and close_time >= $3))
"""
_PUBLISHED = """
select close_time, weights::text as weights, budget from portfolio_weights
where portfolio = $1 and close_time >= $2 and close_time < $3 order by close_time
"""
_OWN = """
select close_time, weights::text as weights from portfolio_weights
where portfolio = $1 and model_id = $4 and close_time >= $2 and close_time < $3 and fallback is null
union
select close_time, weights::text as weights from shadow_weights
where portfolio = $1 and model_id = $4 and close_time >= $2 and close_time < $3 and fallback is null
"""
_SETTLED = "select settled_time from event_time_positions where consumer = $1"


class WatchSettings(PortfolioSettings, StrategySettings):
    """What rl_svc is told, and where strategies of one's own are."""


async def days_over(pool: "asyncpg.Pool[asyncpg.Record]", portfolio: str) -> AsyncIterator[Found]:
    """Give each day of each model in service that is over and was not kept yet, in their order.

    A model's days end with the one that shows that it does harm.
    """
    settled = await pool.fetchval(_SETTLED, f"weights:{portfolio}") or 0
    for row in await pool.fetch(_IN_SERVICE, portfolio):
        model_id: UUID = row["model_id"]
        watch = _Watch(
            pool, portfolio, await model_row(pool, model_id), await begun_at(pool, model_id)
        )
        try:
            async for one in watch.days(settled):
                yield Found(model_id, one)
        except UNREACHABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the other models go on; it is told
            yield Found(model_id, None, f"{type(error).__name__}: {error}")


class _Watch:
    """The days of one model.

    Args:
        pool: of the database.
        portfolio: whose model it is.
        row: of the model.
        begun: number of the event by which it came into service.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        portfolio: str,
        row: StoredModel,
        begun: int,
    ) -> None:
        self._pool, self._portfolio, self._row, self._begun = pool, portfolio, row, begun

    async def days(self, settled: int) -> AsyncIterator[ModelDay]:
        """Give the days that are over at a close, epoch ms."""
        known = await model_days(self._pool, self._row.model_id)
        model = await stored_model(self._pool, self._row.model_id)
        since = known[-1].day + DAY_MS if known else 0
        known = [one for one in known if one.begun == self._begun]
        while not (known and known[-1].is_alarm):
            after = await self._pool.fetchval(
                _NEXT_CLOSE, self._portfolio, self._row.model_id, at(since)
            )
            if after is None or (day := day_of(ms(after))) + DAY_MS > settled:
                return
            known.append(await self._day(model, day, known))
            yield known[-1]
            since = day + DAY_MS

    async def _day(self, model: Model, day: int, before: Sequence[ModelDay]) -> ModelDay:
        end = day + DAY_MS
        decided = await self._decided(end - WINDOW_DAYS * DAY_MS, end)
        closes = [time for time in decided.own if time >= day]
        async with self._pool.acquire() as connection:
            own = [
                await _loaded(connection, f"{one}:{model.manifest.timeframe}", day, end, LOOKBACK)
                for one in decided.instruments
            ]
        clipped, counts = seen_in(own, closes, model)
        found = ModelDay(day, self._begun, len(closes), clipped, counts)
        growths = await self._growths(decided, day)
        if growths is not None:
            found = replace(found, growth=growths[0], equal=growths[1])
        evidence = next_evidence(before, found.excess)
        return replace(found, psi=_shifts(model, [*before, found]), evidence=evidence)

    async def _decided(self, begin: int, end: int) -> Decided:
        asked = (self._portfolio, at(begin), at(end))
        published = await self._pool.fetch(_PUBLISHED, *asked)
        own = await self._pool.fetch(_OWN, *asked, self._row.model_id)
        return Decided(
            [ms(one["close_time"]) for one in published],
            [frozenset(_weights(one["weights"])) for one in published],
            {ms(one["close_time"]): _weights(one["weights"]) for one in own},
            published[-1]["budget"],
        )

    async def _growths(self, decided: Decided, day: int) -> tuple[float, float] | None:
        names, known = decided.instruments, set(strategy_names())
        configurations = [
            Configuration(
                one.configuration_id, one.strategy, one.exchange, one.symbol, one.timeframe,
                one.params, one.share,
            )
            for one in await list_configurations(self._pool, active_only=True)
            if f"{one.exchange}:{one.symbol}" in names and one.strategy in known
        ]  # fmt: skip
        needed: dict[str, int] = {}
        for one in configurations:
            needed[one.series] = max(needed.get(one.series, 0), one.lookback)
        begin, end = decided.times[0], day + DAY_MS
        async with self._pool.acquire() as connection:
            candles = [
                await _loaded(connection, series, begin, end, count)
                for series, count in sorted(needed.items())
            ]
            others = [
                await _loaded(connection, series, begin, end, count)
                for series, count in sorted(_references(configurations, needed).items())
            ]
            markets = market_rules(names, await binding_rules(connection, names), {})
        looked_at = {one.instrument for one in others}
        candles = [referring(one, looked_at, others) for one in candles if len(one)]
        there = {one.series for one in candles}
        configurations = [one for one in configurations if one.series in there]
        rules = rules_of(self._row.config, markets)
        return growths_of(candles, configurations, rules, decided, day)


def _references(
    configurations: Sequence[Configuration], needed: Mapping[str, int]
) -> dict[str, int]:
    """Return the series that configurations look at, and how many candles of each they need."""
    found: dict[str, int] = {}
    for one in configurations:
        for instrument in one.references:
            series = f"{instrument}:{one.timeframe}"
            found[series] = max(found.get(series, 0), needed[one.series])
    return found


async def _loaded(
    connection: Connection, series: str, begin: int, end: int, before: int
) -> Candles:
    """Return the candles of a series that close until `end`, and some before `begin`."""
    exchange, symbol, timeframe = series.split(":")
    length = timeframe_ms(timeframe)
    until = end - length + 1
    asked = max((end - begin) // length, 0) + before + 1
    return await load_candles(connection, exchange, symbol, timeframe, end=until, limit_last=asked)


def _shifts(model: Model, days: Sequence[ModelDay]) -> Mapping[str, float]:
    """Return the index of each figure over the last days, once there are enough."""
    last = [one.counts for one in days if one.counts][-WINDOW_DAYS:]
    bins = model.manifest.seen
    if bins is None or len(last) < WINDOW_DAYS:
        return {}
    by_figure = zip(*last, strict=True)
    return bins.shifts([[sum(one) for one in zip(*each, strict=True)] for each in by_figure])


def _weights(text: str) -> dict[str, float]:
    return msgspec.json.decode(text, type=dict[str, float])


async def _tell(settings: WatchSettings) -> None:
    async with opened_pool(settings.database_url, max_size=1) as pool:
        async for found in days_over(pool, settings.portfolio):
            sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
            sys.stdout.buffer.flush()


def main() -> None:
    """Write each day that is over as a line."""
    os.nice(NICENESS)
    settings = load_settings(WatchSettings)
    settings.prepare()
    asyncio.run(_tell(settings))


if __name__ == "__main__":
    main()
