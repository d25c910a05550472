"""Boards of what carries it: processes, market data, Kafka, PostgreSQL."""

from deploy.grafana.panels import OURS, Board, Panel, one, quantile, rate

OVERVIEW = Board(
    "overview",
    "Overview",
    (
        one("Replicas that answer", "short", "{{job}}", f"sum by (job) (up{{{OURS}}})", "stat"),
        one(
            "Versions",
            "short",
            "{{job}} {{version}} {{commit}}",
            "sum by (job, version, commit) (tradepulse_build_info)",
            "stat",
        ),
        one(
            "Conditions of readiness, the best replica",
            "short",
            "{{job}}: {{condition}}",
            "max by (job, condition) (tradepulse_ready)",
        ),
        one(
            "Alerts",
            "short",
            "{{alertname}} {{alertstate}}",
            "count by (alertname, alertstate) (ALERTS)",
        ),
        one(
            "Behind the first, event time",
            "s",
            "{{job}}",
            "scalar(max(tradepulse_event_time_seconds)) - "
            "max by (job) (tradepulse_event_time_seconds)",
        ),
        one(
            "Use of the service levels' budgets (1: lasts 28 days)",
            "short",
            "{{slo}} {{exchange}}",
            "slo:burn:1h",
        ),
        one(
            "Works for its account or portfolio",
            "short",
            "{{consumer}}",
            "sum by (consumer) (tradepulse_lock_held)",
        ),
        one(
            "Processor",
            "percentunit",
            "{{job}}",
            rate(f"process_cpu_seconds_total{{{OURS}}}", "job"),
        ),
        one(
            "Memory",
            "bytes",
            "{{job}}",
            f"max by (job) (process_resident_memory_bytes{{{OURS}}})",
        ),
        one(
            "Event loop late, 99 %",
            "s",
            "{{job}}",
            quantile(0.99, "tradepulse_event_loop_lag_seconds", "job"),
        ),
        one(
            "Starts in an hour",
            "short",
            "{{job}}",
            f"sum by (job) (changes(process_start_time_seconds{{{OURS}}}[1h]))",
        ),
        one(
            "Answers of the page, 99 %",
            "s",
            "{{route}}",
            quantile(0.99, "tradepulse_http_request_seconds", "route"),
        ),
    ),
)

MARKET_DATA = Board(
    "market-data",
    "Market data",
    (
        one(
            "Behind, the worst series",
            "s",
            "{{exchange}} {{group}}",
            "max by (exchange, group) (tradepulse_live_behind_seconds)",
        ),
        one(
            "Behind, 20 worst series",
            "s",
            "{{exchange}} {{symbol}} {{timeframe}}",
            "topk(20, tradepulse_series_behind_seconds)",
        ),
        one(
            "From close to Kafka, 99 %",
            "s",
            "{{exchange}} {{group}}",
            quantile(0.99, "tradepulse_live_lag_seconds", "exchange", "group"),
        ),
        one(
            "Candles by source",
            "ops",
            "{{exchange}} {{source}}",
            rate("tradepulse_live_candles_total", "exchange", "source"),
        ),
        Panel(
            "Breaks and stalls",
            "ops",
            (
                ("{{exchange}} breaks", rate("tradepulse_live_breaks_total", "exchange")),
                ("{{exchange}} stalls", rate("tradepulse_live_stalls_total", "exchange")),
                (
                    "{{exchange}} lost messages",
                    rate("tradepulse_live_lost_messages_total", "exchange"),
                ),
            ),
        ),
        Panel(
            "Streams",
            "short",
            (
                ("{{exchange}} connected", "sum by (exchange) (tradepulse_live_streams_connected)"),
                ("{{exchange}} series", "sum by (exchange) (tradepulse_live_subscriptions)"),
            ),
        ),
        one(
            "Venue answers", "short", "{{exchange}}", "min by (exchange) (tradepulse_live_venue_up)"
        ),
        one(
            "Questions for candles",
            "ops",
            "{{exchange}} {{why}} {{outcome}}",
            rate("tradepulse_live_requests_total", "exchange", "why", "outcome"),
        ),
        one(
            "Waits for rate limits, share of time",
            "percentunit",
            "{{exchange}}",
            rate("tradepulse_rate_limit_wait_seconds_total", "exchange"),
        ),
        one(
            "Gaps",
            "short",
            "{{exchange}} {{kind}} {{cause}} {{status}}",
            "sum by (exchange, kind, cause, status) (tradepulse_gaps)",
        ),
        one(
            "Repairs",
            "ops",
            "{{exchange}} {{step}} {{outcome}}",
            rate("tradepulse_gap_repairs_total", "exchange", "step", "outcome"),
        ),
        one(
            "Candles of a replay",
            "ops",
            "{{exchange}}",
            rate("tradepulse_candles_published_total", "exchange"),
        ),
    ),
)

KAFKA = Board(
    "kafka",
    "Kafka",
    (
        one(
            "Messages before a reader",
            "short",
            "{{job}} {{topic}}",
            "sum by (job, topic) (tradepulse_consumer_lag_messages)",
        ),
        one(
            "Published",
            "ops",
            "{{job}} {{topic}}",
            rate("tradepulse_published_total", "job", "topic"),
        ),
        one(
            "Read",
            "ops",
            "{{job}} {{topic}}",
            rate("tradepulse_messages_consumed_total", "job", "topic"),
        ),
        one(
            "Until acknowledged, 99 %",
            "s",
            "{{job}} {{topic}}",
            quantile(0.99, "tradepulse_publish_seconds", "job", "topic"),
        ),
        Panel(
            "Failures",
            "ops",
            (
                ("{{job}} publishing", rate("tradepulse_publish_failures_total", "job")),
                ("{{job}} handling", rate("tradepulse_handle_failures_total", "job")),
            ),
        ),
        one(
            "Dead letters that wait",
            "short",
            "{{topic}}",
            "max by (topic) (tradepulse_dead_letters_waiting)",
        ),
        one(
            "Partitions held",
            "short",
            "{{job}} {{topic}}",
            "sum by (job, topic) (tradepulse_partitions_held)",
        ),
        one("Rebalances", "ops", "{{job}}", rate("tradepulse_rebalances_total", "job")),
        one(
            "Oldest event that waits to be published",
            "s",
            "{{job}}",
            "max by (job) (tradepulse_outbox_oldest_seconds)",
        ),
        one(
            "Partitions with too few replicas in sync",
            "short",
            "{{topic}}",
            "sum by (topic) (kafka_topic_partition_under_replicated_partition)",
        ),
        one("Brokers", "short", "brokers", "kafka_brokers"),
    ),
)

POSTGRES = Board(
    "postgresql",
    "PostgreSQL",
    (
        one("Connections", "short", "{{state}}", "sum by (state) (pg_stat_activity_count)"),
        Panel(
            "Transactions",
            "ops",
            (
                ("{{datname}} committed", rate("pg_stat_database_xact_commit", "datname")),
                ("{{datname}} rolled back", rate("pg_stat_database_xact_rollback", "datname")),
            ),
        ),
        one(
            "Blocks from the cache",
            "percentunit",
            "hits",
            f"{rate('pg_stat_database_blks_hit')} / "
            f"({rate('pg_stat_database_blks_hit')} + {rate('pg_stat_database_blks_read')})",
        ),
        one("Locks", "short", "{{mode}}", "sum by (mode) (pg_locks_count)"),
        one(
            "Longest transaction",
            "s",
            "{{state}}",
            "max by (state) (pg_stat_activity_max_tx_duration)",
        ),
        one("Size", "bytes", "{{datname}}", "pg_database_size_bytes"),
        one("Largest tables", "bytes", "{{table}}", "topk(10, tradepulse_table_bytes)"),
        one("Deadlocks", "ops", "{{datname}}", rate("pg_stat_database_deadlocks", "datname")),
        Panel(
            "WAL archive",
            "ops",
            (
                ("archived", rate("pg_stat_archiver_archived_count")),
                ("failed", rate("pg_stat_archiver_failed_count")),
            ),
        ),
        one(
            "Connections of the services",
            "short",
            "{{job}} {{state}}",
            "sum by (job, state) (tradepulse_db_pool)",
        ),
        one(
            "Waits for a connection, 99 %",
            "s",
            "{{job}}",
            quantile(0.99, "tradepulse_db_wait_seconds", "job"),
        ),
        one(
            "Statements that failed",
            "ops",
            "{{job}} {{code}}",
            rate("tradepulse_db_errors_total", "job", "code"),
        ),
        one(
            "Events not yet published",
            "short",
            "{{job}}",
            "sum by (job) (tradepulse_outbox_messages)",
        ),
    ),
)
