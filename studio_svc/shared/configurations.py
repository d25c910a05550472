"""The trained configurations: the studio shows all of them, the overview those that trade."""

from typing import Any
from uuid import UUID

import asyncpg

from studio_svc.shared.rows import Record, fields_of, series_of
from studio_svc.web_app.views import Money, View

_CONFIGURATIONS = """
select k.configuration_id, k.revision, k.strategy, k.exchange, k.symbol, k.timeframe, k.params,
       k.share, k.stage, k.is_active, k.retired, k.edited_from, k.metrics, j.done as trials,
       r.created_at as validated_at, r.passed, r.gates, r.gates_passed,
       coalesce(p.trades, 0) as paper_trades, coalesce(p.profit, 0) as paper_profit
from trained_configurations k
left join lateral (
    select created_at, passed, gates, gates_passed from validation_reports r
    where r.configuration_id = k.configuration_id order by report_id desc limit 1
) r on true
left join training_jobs j using (job_id)
left join (
    select configuration_id, count(*) as trades, sum(profit) as profit
    from positions where account = $1 and exit_time is not null group by configuration_id
) p using (configuration_id)
where $2::uuid is null or k.configuration_id = $2
order by k.is_active desc, k.retired, k.exchange, k.symbol, k.timeframe, k.strategy,
    k.created_at desc
limit $3
"""


class ConfigurationView(View):
    """One trained configuration: in-sample beside out-of-sample, and how many were tried."""

    configuration_id: UUID
    revision: int
    strategy: str
    series: str
    symbol: str
    params: dict[str, Any]
    share: float
    stage: str
    is_active: bool
    retired: bool
    """Out of service for good."""
    edited_from: UUID | None
    """The configuration that this one was made from by a person."""
    in_sample: dict[str, float | None] | None
    out_of_sample: dict[str, float | None] | None
    trials: int | None
    """How many parameter sets the search tried to find this one; null when it was not searched."""
    validated_at: int | None
    """When the gates last judged it; null before the first time, so are the next three."""
    passed: bool | None
    gates: int | None
    gates_passed: int | None
    paper_trades: int
    """Closed trades of this configuration on the account."""
    paper_profit: Money
    """Their profit after fees, quote currency."""


async def trained_configurations(
    pool: "asyncpg.Pool[Record]",
    account: str,
    configuration_id: UUID | None = None,
    *,
    limit: int = 200,
) -> list[ConfigurationView]:
    """Return the configurations, active ones first; where one is asked for, it or nothing."""
    rows = await pool.fetch(_CONFIGURATIONS, account, configuration_id, limit)
    return [_configuration(row) for row in rows]


def _configuration(row: Record) -> ConfigurationView:
    metrics: dict[str, Any] = row["metrics"]
    fields = fields_of(row)
    fields["trials"] = metrics.get("trials", row["trials"])
    return ConfigurationView(
        series=series_of(row),
        in_sample=_figures(metrics.get("in_sample")),
        out_of_sample=_figures(metrics.get("out_of_sample")),
        **fields,
    )


def _figures(metrics: object) -> dict[str, float | None] | None:
    """Keep what is a figure; the evidence beside it (dates, notes) is not for this table."""
    if not isinstance(metrics, dict):
        return None
    return {
        name: value
        for name, value in metrics.items()
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    }
