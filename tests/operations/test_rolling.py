"""Every service is restarted and scaled while a replay goes on: the ledger is the backtest's."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from rollout import Rollout, Standstill
from system import System, equity_rows, expected, trade_rows

from tradepulse.trading.weights import InverseVolatility

pytestmark = pytest.mark.integration
DAYS = 90


def told(standstills: Sequence[Standstill]) -> str:
    """Return the longest and the mean standstill of each kind, as lines of a table."""
    lines = []
    for what in dict.fromkeys(one.what for one in standstills):
        seconds = [one.seconds for one in standstills if one.what == what]
        longest, mean = max(seconds), sum(seconds) / len(seconds)
        lines.append(f"{what:34} {len(seconds):3} {longest:6.2f} {mean:6.2f}")
    return "\n".join(["what                          times longest   mean, s", *lines])


async def test_replicas_come_and_go_under_load_and_the_ledger_is_the_backtest_s(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    system = System(kafka_bootstrap, database_url, tmp_path)
    rollout = Rollout(system, days=DAYS, days_a_second=0.25)
    try:
        await rollout.begin()
        standstills = [
            *await rollout.restart_each(),
            *await rollout.scale_signals(),
            await rollout.kill_the_executor(),
        ]
        await rollout.end()
    finally:
        system.stop()
        await rollout.close()
    print(told(standstills))
    result = expected(rollout.candles, rollout.configurations, InverseVolatility(96))
    assert len(result.trades) > 100
    assert await system.trades() == trade_rows(result)
    assert await system.equity() == equity_rows(result)
