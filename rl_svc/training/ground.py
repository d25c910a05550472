"""What a training stands on: candles out of the database, signals, time cut in three."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import asyncpg
import numpy as np

from rl_svc.training.course import Course, course_of
from rl_svc.training.env import EnvSettings
from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import first_problem
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.instrument_rules import KeptRules, market_rules
from tradepulse.market_data.loader import MarketData
from tradepulse.market_data.rules_now import Markets
from tradepulse.research.looks import JudgedRange
from tradepulse.research.policies.replays import Scene
from tradepulse.research.policies.time_split import TimeSplit, embargo_of, rows_of, split_time
from tradepulse.research.policy_checks import told_of_overlaps
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.research.sized import Sized
from tradepulse.research.virtual.market import market_of
from tradepulse.trading.backtest import Prepared, prepared
from tradepulse.trading.policies.features import LOOKBACK
from tradepulse.trading.sizing import AccountRules, RiskLimits


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """All that training and judging read.

    Attributes:
        ready: candles, and what the strategies say of them.
        course: what is learned.
        scene: where it is judged.
        data: which candles these are, as the registry keeps it.
        warnings: that the report is to tell.
    """

    ready: Prepared
    course: Course
    scene: Scene
    data: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def judged(self) -> JudgedRange:
        """The range on which the policy is judged."""
        test = self.scene.split.test
        return JudgedRange(
            self.course.timeframe, self.course.market.instruments, test.start, test.end
        )


def range_of(spec: PolicySpec) -> tuple[int, int]:
    """Return the range of a queued training, epoch ms.

    Raises:
        ValueError: its ends were not resolved.
    """
    if spec.start is None or spec.end is None:
        raise ValueError("its range has no ends: queue it with `tradepulse policy train`")
    return spec.start, spec.end


async def load_candles(
    pool: "asyncpg.Pool[asyncpg.Record]", spec: PolicySpec, sized: Sequence[Sized]
) -> list[Candles]:
    """Return the candles of the range, of each series, with those before it that warm up.

    Raises:
        ValueError: there are none, or no market made them.
    """
    start, end = range_of(spec)
    market = MarketData(pool)
    found = []
    for series in sorted({one.series for one in sized}):
        of_series = [one for one in sized if one.series == series]
        warm = max(LOOKBACK + 1, *(one.configuration.lookback for one in of_series))
        first = of_series[0]
        begin = max(0, start - warm * timeframe_ms(first.timeframe))
        candles = await market.stored(first.exchange, first.symbol, first.timeframe, begin, end)
        if not len(candles.between(start, end)):
            raise ValueError(f"no candles of {series} are in the range any more; import them again")
        if problem := first_problem(candles):
            raise ValueError(
                f"candle {problem.row + 1} of {len(candles)} of {series} cannot be used: "
                f"{problem.reason}; import it again"
            )
        names = {name for one in of_series for name in one.configuration.references}
        others = {}
        for name in sorted(names):
            exchange, _, symbol = name.partition(":")
            others[name] = await market.stored(exchange, symbol, first.timeframe, begin, end)
        found.append(replace(candles, references=others))
    return found


def ground_of(
    spec: PolicySpec, sized: Sequence[Sized], candles: Sequence[Candles], markets: Markets
) -> Ground:
    """Ask the strategies, cut time, and say what is to be learned. Computes for seconds.

    Raises:
        ValueError: the range is too short, or a configuration was chosen by days of validation or
            test and there is no reason to allow it; or as `prepared` and `course_of`.
    """
    start, end = range_of(spec)
    ready = prepared(candles, [one.configuration for one in sized], between=(start, end))
    kept = {name: KeptRules.from_json(one) for name, one in markets.items() if one is not None}
    rules = AccountRules(
        fee=Decimal(str(spec.fee)),
        slippage=spec.slippage,
        impact=spec.impact,
        limits=RiskLimits(max_symbol_notional=max(Decimal("0.5"), Decimal(str(spec.max_weight)))),
        markets=market_rules([one.instrument for one in candles], kept, {}),
    )
    timeframe = candles[0].timeframe
    market = market_of(ready, rules.markets)
    embargo = embargo_of(market, LOOKBACK * timeframe_ms(timeframe))
    times = market.arrays.close_time
    split = split_time(int(times[0]) - timeframe_ms(timeframe), int(times[-1]), embargo)
    warnings = told_of_overlaps(split, sized, start, end, spec.allow_overlap)
    course = course_of(
        ready,
        rules.markets,
        rules,
        (rows_of(split.train, times), rows_of(split.validation, times)),
        timeframe,  # type: ignore[arg-type]  # a configuration's is one of those that there are
        max_weight=spec.max_weight,
        env=EnvSettings(budget=spec.budget),
    )
    scene = Scene(course.market, rules, split, budget=spec.budget)
    return Ground(ready, course, scene, data_of(ready, split), warnings)


def data_of(ready: Prepared, split: TimeSplit) -> dict[str, Any]:
    """Return which candles were used: ends, rows and SHA-256 of the closes, of each part."""
    parts: dict[str, Any] = {}
    for name, part in split.parts().items():
        series = {}
        for one in (ready.traded[key] for key in sorted(ready.traded)):
            within = (one.close_time > part.start) & (one.close_time <= part.end)
            times = one.open_time[within]
            series[one.series] = {
                "first": int(times[0]) if len(times) else None,
                "last": int(times[-1]) if len(times) else None,
                "rows": len(times),
                "sha256": hashlib.sha256(
                    np.ascontiguousarray(one.close[within]).tobytes()
                ).hexdigest(),
            }
        parts[name] = {"start": part.start, "end": part.end, "series": series}
    digest = hashlib.sha256()
    for key in sorted(ready.warm):
        one = ready.warm[key]
        digest.update(key.encode())
        for column in (one.open_time, one.open, one.high, one.low, one.close, one.volume):
            digest.update(np.ascontiguousarray(column).tobytes())
    return {"sha256": digest.hexdigest(), "series": sorted(ready.traded), "parts": parts}
