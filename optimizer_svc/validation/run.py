"""The promotion gates of `tradepulse.research.validation`, as the trial process runs them."""

from typing import Any

from optimizer_svc.search.processes import report_progress
from optimizer_svc.search.trials import Subject, costs_from
from tradepulse.candles.arrays import Candles
from tradepulse.research.search.ranges import Range
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.validation import Ranges, ValidationRequest, validate


def run_gates(candles: Candles, used: Range, subject: Subject) -> dict[str, Any]:
    """Return the report of a configuration.

    Raises:
        ValueError: it cannot be judged at all.
    """
    metrics = subject.metrics
    rules = costs_from(metrics).account_rules(candles.instrument)
    request = ValidationRequest(
        strategy=subject.strategy,
        params=subject.params,
        ranges=Ranges(used.start, used.split, used.end),
        account=rules,
        simulation=SimulationRules.of(rules, candles.instrument),
        share=subject.share,
        objective=metrics.get("objective", "sharpe"),
        min_trades=metrics.get("min_trades", 0),
        max_drawdown_pct=metrics.get("max_drawdown_pct"),
        trials=subject.trials,
        tried=subject.tried,
        searches=tuple(subject.searches),
        seed=metrics.get("seed", 0),
        method=metrics.get("method", ""),
        threads=subject.threads,
    )
    return validate(request, candles, lambda done, of: report_progress(done / of)).as_json()
