"""The areas that faults are planted in, and the tests that ought to notice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """Some modules and their tests.

    Attributes:
        name: in the table.
        modules: patterns of paths from the root of the project.
        tests: files and folders for pytest, the quick ones first.
        needs_servers: whether they use Kafka or PostgreSQL.
    """

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    needs_servers: bool = False


AREAS = (
    Area(
        "account",
        tuple(
            f"tradepulse/trading/{name}.py"
            for name in (
                "account",
                "decisions",
                "executions",
                "fills",
                "orders",
                "sizing",
                "moments",
            )
        ),
        (
            "tests/unit/trading",
            "tests/unit/executor_svc",
            "tests/unit/research/test_engines_agree.py",
        ),
    ),
    Area(
        "simulator",
        tuple(
            f"tradepulse/research/{name}.py"
            for name in (
                "accounts",
                "arrays",
                "entries",
                "loop",
                "positions",
                "results",
                "said",
                "simulate",
                "space",
                "sweep",
            )
        ),
        (
            "tests/unit/research/test_simulate.py",
            "tests/unit/research/test_tiles.py",
            "tests/unit/research/test_sweep.py",
            "tests/unit/research/test_search.py",
            "tests/unit/research/test_objectives.py",
            "tests/unit/research/test_engines_agree.py",
            "tests/unit/trading/test_position_rules.py",
        ),
    ),
    Area(
        "event time and weights",
        ("tradepulse/trading/event_time.py", "tradepulse/trading/weights.py", "rl_svc/*.py"),
        (
            "tests/unit/rl_svc",
            "tests/unit/trading",
            "tests/unit/executor_svc",
            "tests/unit/runtime/test_declared.py",
            "tests/unit/contracts",
            "tests/integration/test_weight_store.py",
            "tests/integration/test_parity.py",
        ),
        needs_servers=True,
    ),
    Area(
        "figures",
        ("tradepulse/trading/metrics.py", "tradepulse/research/objectives.py"),
        (
            "tests/unit/trading/test_metrics.py",
            "tests/unit/research/test_objectives.py",
            "tests/unit/research/test_sweep.py",
        ),
    ),
    Area(
        "validation and decay",
        ("tradepulse/research/validation/*.py", "tradepulse/research/decay.py"),
        (
            "tests/unit/research/test_decay.py",
            "tests/unit/research/test_validation_statistics.py",
            "tests/unit/research/test_gate_figures.py",
            "tests/unit/research/test_reality_check.py",
            "tests/unit/research/test_validation_gates.py",
            "tests/unit/research/test_report_page.py",
        ),
    ),
    Area(
        "frame and messaging",
        (
            "tradepulse/runtime/[bdhoprs]*.py",
            "executor_svc/store.py",
            "executor_svc/handlers.py",
        ),
        (
            "tests/unit/runtime",
            "tests/unit/executor_svc",
            "tests/unit/contracts",
            "tests/integration/test_reading.py",
            "tests/integration/test_ledger_store.py",
            "tests/integration/test_db.py",
            "tests/integration/test_outbox.py",
            "tests/integration/test_ownership.py",
            "tests/integration/test_dead_letters.py",
            "tests/component/test_frame.py",
        ),
        needs_servers=True,
    ),
    Area(
        "signals",
        ("signal_svc/*.py", "tradepulse/strategies/evaluate.py", "tradepulse/runtime/codec.py"),
        (
            "tests/unit/signal_svc",
            "tests/unit/contracts",
            "tests/unit/runtime/test_declared.py",
            "tests/unit/strategies/test_last_candle.py",
            "tests/unit/strategies/test_strategies.py",
            "tests/unit/strategies/test_strategy_faults.py",
            "tests/integration/test_signal_store.py",
        ),
        needs_servers=True,
    ),
    Area(
        "live ingest",
        ("market_ingest/live/*.py", "market_ingest/publishing.py", "market_ingest/replay.py"),
        (
            "tests/unit/market_ingest",
            "tests/unit/runtime/test_declared.py",
            "tests/integration/test_live_store.py",
            "tests/integration/test_live_feed.py",
            "tests/integration/test_live_subscriptions.py",
        ),
        needs_servers=True,
    ),
    Area(
        "gaps and history",
        (
            "tradepulse/candles/gaps/*.py",
            "tradepulse/market_data/gaps/*.py",
            "tradepulse/market_data/backfill.py",
            "market_ingest/history/*.py",
        ),
        (
            "tests/unit/candles",
            "tests/unit/market_data/test_gap_work.py",
            "tests/unit/market_ingest/test_before_replay.py",
            "tests/integration/test_coverage_db.py",
            "tests/integration/test_gap_repairs.py",
            "tests/integration/test_backfill.py",
            "tests/integration/test_gaps_cli.py",
        ),
        needs_servers=True,
    ),
    Area(
        "jobs and lifecycle",
        (
            "optimizer_svc/*.py",
            "optimizer_svc/search/*.py",
            "tradepulse/research/search/*.py",
            "optimizer_svc/validation/*.py",
            "tradepulse/research/lifecycle.py",
            "tradepulse/research/configurations.py",
            "tradepulse/research/jobs.py",
        ),
        (
            "tests/unit/optimizer_svc",
            "tests/unit/runtime/test_declared.py",
            "tests/integration/test_claims.py",
            "tests/integration/test_optimizer_fetch.py",
            "tests/integration/test_lifecycle.py",
            "tests/integration/test_optimizer.py",
        ),
        needs_servers=True,
    ),
    Area(
        "page",
        ("studio_svc/*.py", "studio_svc/*/*.py"),
        (
            "tests/unit/studio_svc",
            "tests/unit/runtime/test_declared.py",
            "tests/component/test_studio.py",
            "tests/component/test_studio_stream.py",
            "tests/component/test_studio_market_data.py",
        ),
        needs_servers=True,
    ),
    Area("contracts", ("contracts/*.py",), ("tests/unit/contracts", "tests/unit/trading")),
)
