"""What makes each alert fire and what ends it, as samples for promtool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

QUIET = 10
"""Samples before the fault."""
Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A fault that begins after `QUIET` samples, lasts, and is over.

    Attributes:
        alert: that fires at the end of the fault, and at no other time that is asked for.
        gauges: by series, the value before and during the fault, and after it where it is not that
            of before; None where the series is not there.
        counters: by series, what is added with each sample before and after the fault, during it,
            and what it begins with where that is not 0.
        bad: samples of the fault.
        after: samples after it.
        minutes: from one sample to the next, 4 at most: Prometheus forgets a sample after 5.
    """

    alert: str
    gauges: Mapping[str, Values] = field(default_factory=dict)
    counters: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    bad: int = 15
    after: int = 20
    minutes: int = 1

    def samples(self) -> dict[str, str]:
        """Give the values of each series in promtool's words."""
        gauges = {
            name: " ".join(
                _level(value, count)
                for value, count in zip(
                    (values[0], values[1], values[-1] if len(values) == 3 else values[0]),
                    (QUIET, self.bad, self.after),
                    strict=True,
                )
            )
            for name, values in self.gauges.items()
        }
        counters = {
            name: _growth(((good, QUIET), (bad, self.bad), (good, self.after)), *first)
            for name, (good, bad, *first) in self.counters.items()
        }
        return gauges | counters

    def times(self) -> tuple[int, int, int]:
        """Give the minutes of the last sample before, during and after the fault."""
        ends = (QUIET, QUIET + self.bad, QUIET + self.bad + self.after)
        before, during, after = (self.minutes * (end - 1) for end in ends)
        return before, during, after


def _level(value: float | None, count: int) -> str:
    if value is None:
        return "stale" + f" _x{count - 1}" * (count > 1)
    return f"{value}+0x{count - 1}"


def _growth(parts: Sequence[tuple[float, int]], total: float = 0) -> str:
    words = []
    for step, count in parts:
        words.append(f"{total + step}{step:+}x{count - 1}")
        total += step * count
    return " ".join(words)


def level(**values: Values) -> dict[str, Values]:
    """Name gauges of ours that have no label."""
    return {f"tradepulse_{name}": value for name, value in values.items()}


OF_A_VENUE = 'exchange="kraken", group="USD"'
UP = {
    f'up{{job="{job}", instance="a:8000"}}': (1.0, 1.0)
    for job in (
        *("market_ingest", "signal_svc", "rl_svc", "executor_svc", "optimizer_svc"),
        "studio_svc",
    )
}
AWAY = {**UP, 'up{job="rl_svc", instance="a:8000"}': (1.0, None)}

INFRASTRUCTURE = (
    Case("ServiceDown", AWAY),
    Case("RestartLoop", {}, {'process_start_time_seconds{job="rl_svc"}': (0, 60)}, after=30),
    Case(
        "NotReady",
        {
            'tradepulse_ready{job="executor_svc", instance="a", condition="lock"}': (1, 0),
            'tradepulse_ready{job="executor_svc", instance="b", condition="lock"}': (0, 0),
        },
    ),
    Case(
        "EventLoopBlocked",
        counters={
            'tradepulse_event_loop_lag_seconds_bucket{job="rl_svc", le="0.1"}': (10, 0),
            'tradepulse_event_loop_lag_seconds_bucket{job="rl_svc", le="5.0"}': (10, 10),
            'tradepulse_event_loop_lag_seconds_bucket{job="rl_svc", le="+Inf"}': (10, 10),
        },
    ),
    Case(
        "ConsumerLag",
        {
            f'tradepulse_consumer_lag_messages{{job="signal_svc", topic="c", partition="{n}"}}': (
                *(0, 600),
            )
            for n in range(2)
        },
    ),
    Case("OutboxStuck", {'tradepulse_outbox_oldest_seconds{job="executor_svc"}': (0, 90)}),
    Case(
        "DeadLetters",
        {},
        {'tradepulse_dead_letters_total{job="rl_svc", topic="tradepulse.candles"}': (0, 1)},
        after=70,
    ),
    Case(
        "DatabasePoolFull",
        counters={
            'tradepulse_db_wait_seconds_bucket{job="executor_svc", le="0.1"}': (10, 0),
            'tradepulse_db_wait_seconds_bucket{job="executor_svc", le="1.0"}': (10, 10),
            'tradepulse_db_wait_seconds_bucket{job="executor_svc", le="+Inf"}': (10, 10),
        },
    ),
    Case(
        "KafkaDown",
        {
            f'tradepulse_ready{{job="{job}", condition="broker"}}': (1, 0)
            for job in ("rl_svc", "executor_svc")
        },
    ),
    Case(
        "KafkaUnderReplicated",
        {'kafka_topic_partition_under_replicated_partition{topic="c", partition="0"}': (0, 1)},
    ),
    Case("PostgresDown", {"pg_up": (1, 0)}),
    Case(
        "PostgresConnections",
        {
            'pg_stat_activity_count{job="postgres", datname="a"}': (40, 85),
            'pg_settings_max_connections{job="postgres"}': (100, 100),
        },
    ),
    Case(
        "DiskFull",
        {
            'node_filesystem_avail_bytes{mountpoint="/"}': (40, 4),
            'node_filesystem_size_bytes{mountpoint="/"}': (100, 100),
        },
    ),
    Case(
        "DiskFull4h",
        {'node_filesystem_size_bytes{mountpoint="/"}': (1000, 1000)},
        {'node_filesystem_avail_bytes{mountpoint="/"}': (0, -2, 390)},
        bad=40,
        after=80,
    ),
    Case("BackupOld", {"tradepulse_backup_time_seconds": (0, -27 * 3600)}, bad=30),
    # samples begin at the time 0
    Case("RestoreDrillOld", {"tradepulse_restore_drill_time_seconds": (0, -9 * 86400)}, bad=70),
    Case(
        "WalArchiveFails",
        {},
        {'pg_stat_archiver_failed_count{job="postgres", instance="a"}': (0, 1)},
    ),
    Case(
        "RetentionStopped",
        {'tradepulse_retention_time_seconds{table="equity"}': (0, -86400)},
        bad=30,
    ),
)

TRADING = (
    Case(
        "NoExecutor",
        {
            'tradepulse_lock_held{job="executor_svc", instance="a", consumer="executor:main"}': (
                1,
                None,
            )
        },
    ),
    Case(
        "TwoExecutors",
        {
            'tradepulse_lock_held{job="executor_svc", instance="a", consumer="executor:main"}': (
                1,
                1,
            ),
            'tradepulse_lock_held{job="executor_svc", instance="b", consumer="executor:main"}': (
                0,
                1,
            ),
        },
    ),
    Case(
        "EventTimeApart",
        {
            'tradepulse_event_time_seconds{job="signal_svc"}': (1000, 9000),
            'tradepulse_event_time_seconds{job="executor_svc"}': (1000, 1000),
        },
    ),
    Case("CloseWaits", {'tradepulse_closes_waiting_seconds{job="executor_svc"}': (0, 90)}),
    Case(
        "SlowClose",
        counters={
            'tradepulse_close_to_order_seconds_bucket{step="published", le="1.0"}': (10, 0),
            'tradepulse_close_to_order_seconds_bucket{step="published", le="5.0"}': (10, 10),
            'tradepulse_close_to_order_seconds_bucket{step="published", le="+Inf"}': (10, 10),
        },
    ),
    Case("MissingCandles", {}, {'tradepulse_missing_total{job="rl_svc"}': (0, 1)}),
    Case(
        "StaleSignals",
        {},
        {'tradepulse_orders_refused_total{account="main", code="stale"}': (0, 1)},
    ),
    Case("StrategyFails", {}, {'tradepulse_strategy_failures_total{strategy="rsi"}': (0, 1)}),
    Case(
        "RefusedLevels",
        {},
        {'tradepulse_refused_levels_total{strategy="rsi"}': (0, 1)},
        after=70,
    ),
    Case(
        "ConfigurationsLost",
        level(active_configurations=(8, 3), configurations_active_stored=(8, 8)),
    ),
    Case(
        "Drawdown",
        {
            'tradepulse_equity{account="main"}': (100, 75),
            'tradepulse_equity_peak{account="main"}': (100, 100),
        },
    ),
    Case("LedgerImbalance", {'tradepulse_ledger_imbalance{account="main"}': (0, -0.01)}),
    Case(
        "RefusedOrders",
        {},
        {
            'tradepulse_orders_refused_total{account="main", code="stale"}': (0, 1),
            'tradepulse_orders_total{status="REFUSED"}': (0, 1),
            # each of those that are not is counted twice
            'tradepulse_orders_total{status="OPEN"}': (0.1, 0.8),
            'tradepulse_orders_total{status="FILLED"}': (0.1, 0.8),
        },
        after=80,
    ),
)

LEARNING = (
    Case("FallbackWeights", {}, {"tradepulse_fallback_weights_total": (0, 1)}),
    Case("WeightsOld", {'tradepulse_weights_age_seconds{portfolio="main"}': (1800, 8000)}),
    Case("PolicyFallback", {}, {'tradepulse_policy_fallback_total{reason="x"}': (0, 1)}, after=70),
    Case("ModelHarms", {'tradepulse_policy_drift_evidence{stage="ACTIVE"}': (1, 30)}),
    Case(
        "DriftWatchFails",
        {},
        {"tradepulse_policy_drift_failures_total": (0, 1)},
        after=400,
        minutes=4,
    ),
    Case("JobFailed", {}, {'tradepulse_jobs_total{kind="search", end="failed"}': (0, 1)}, after=70),
    Case("JobsWait", {'tradepulse_job_oldest_seconds{kind="search"}': (10, 30_000)}, bad=30),
    Case(
        "ConfigurationDecays", {}, {'tradepulse_transitions_total{stage="DECAY"}': (0, 1)}, after=70
    ),
)

SERVICE_LEVELS = (
    Case(
        "BudgetBurnsFast",
        {},
        {
            'tradepulse_close_to_order_seconds_count{step="decided"}': (10, 10),
            'tradepulse_close_to_order_seconds_bucket{step="decided", le="1.0"}': (10, 0),
        },
        bad=30,
    ),
    Case(
        "BudgetBurns",
        {},
        {
            'tradepulse_closes_settled_total{job="executor_svc"}': (1, 1),
            'tradepulse_missing_total{job="executor_svc"}': (0, 0.01),
        },
        bad=60,
        after=60,
    ),
    Case(
        "BudgetRunsOut",
        {},
        {
            'tradepulse_http_request_seconds_count{job="studio_svc", status="200"}': (10, 10),
            'tradepulse_http_request_seconds_bucket{job="studio_svc", status="200", le="0.3"}': (
                *(10, 9.8),
            ),
        },
        bad=30,
        after=60,
        minutes=4,
    ),
)

MARKET_DATA = (
    Case("MarketDataLate", {f"tradepulse_live_behind_seconds{{{OF_A_VENUE}}}": (0, 90)}),
    Case("VenueDown", {'tradepulse_live_venue_up{exchange="kraken"}': (1, 0)}),
    Case("NoMarketIngest", {"tradepulse_live_replicas": (1, None)}),
    Case("SubscriptionCannotBeFollowed", {"tradepulse_live_troubled": (0, 1)}),
    Case(
        "StreamsUnstable",
        {f"tradepulse_live_subscriptions{{{OF_A_VENUE}}}": (1, 1)},
        {
            f"tradepulse_live_breaks_total{{{OF_A_VENUE}}}": (0, 1),
            f"tradepulse_live_stalls_total{{{OF_A_VENUE}}}": (0, 0),
        },
        bad=30,
    ),
    Case(
        "CandlesByHttpOnly",
        {},
        {
            f'tradepulse_live_candles_total{{{OF_A_VENUE}, source="live"}}': (10, 0),
            f'tradepulse_live_candles_total{{{OF_A_VENUE}, source="backfill"}}': (0, 10),
        },
        bad=60,
        after=60,
    ),
    Case(
        "CandlesUnconfirmed",
        {},
        {f"tradepulse_live_unconfirmed_total{{{OF_A_VENUE}}}": (0, 1)},
        after=70,
    ),
    Case(
        "QuestionsFail",
        {},
        {
            'tradepulse_live_requests_total{exchange="kraken", outcome="answered"}': (10, 10),
            'tradepulse_live_requests_total{exchange="kraken", outcome="failed"}': (0, 10),
        },
        bad=25,
    ),
    Case(
        "StreamDisagreesWithVenue",
        {},
        {
            f'tradepulse_live_candles_total{{{OF_A_VENUE}, source="live"}}': (10, 10),
            f'tradepulse_live_candles_total{{{OF_A_VENUE}, source="repaired"}}': (0, 1),
        },
        bad=60,
        after=80,
    ),
    Case(
        "RateLimitReached",
        {},
        {'tradepulse_rate_limit_wait_seconds_total{exchange="kraken"}': (1, 50)},
        bad=30,
    ),
    Case(
        "GapsOpen",
        {f'tradepulse_gaps{{{OF_A_VENUE}, kind="hole", status="open"}}': (0, 2)},
        bad=400,
    ),
    Case(
        "ImpossibleCandles",
        {
            f'tradepulse_gaps{{{OF_A_VENUE}, kind="impossible", status="open"}}': (0, 0),
            f'tradepulse_gaps{{{OF_A_VENUE}, kind="impossible", status="unrepairable"}}': (0, 1),
            # beside candles that are right
            f'tradepulse_gaps{{{OF_A_VENUE}, kind="off_grid", status="unrepairable"}}': (1, 1),
        },
        bad=20,
    ),
    Case(
        "RepairsUnanswered",
        {},
        {'tradepulse_gap_repairs_total{exchange="kraken", outcome="down"}': (0, 1)},
        bad=30,
    ),
    Case("RepairFailed", {}, {'tradepulse_gap_repairs_total{outcome="failed"}': (0, 1)}, after=70),
    Case(
        "KnownCandlesGivenUp",
        {
            f'tradepulse_gaps{{{OF_A_VENUE}, kind="hole", cause="missed", '
            'status="unrepairable"}': (0, 1)
        },
        bad=70,
    ),
    Case("GapScanStopped", {"tradepulse_gap_scan_time_seconds": (0, 0, 6000)}, bad=80),
)

CASES = (*INFRASTRUCTURE, *TRADING, *LEARNING, *SERVICE_LEVELS, *MARKET_DATA)
