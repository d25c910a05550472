"""Gates that say what a test wants; in a module that trial processes can import."""

from typing import Any

from optimizer_svc.search.processes import report_progress
from optimizer_svc.search.trials import Subject
from tradepulse.candles.arrays import Candles
from tradepulse.research.search.ranges import Range

WAIT_S = 60
"""How long `slow` takes unless it is ended."""


def _report(candles: Candles, used: Range, subject: Subject, *, passed: bool) -> dict[str, Any]:
    gates = [
        {
            "name": name,
            "title": title,
            "figure": 1.2,
            "unit": "",
            "threshold": 1.0 if good else 2.0,
            "comparison": ">=",
            "passed": good,
            "verdict": f"{title} is {'enough' if good else 'not enough'}",
            "details": {},
        }
        for name, title, good in (
            ("cost_stress", "Cost stress", True),
            ("deflated_sharpe", "Deflated Sharpe", passed),
        )
    ]
    return {
        "version": 1,
        "search": {"trials": subject.trials},
        "ranges": {"start": used.start, "split": used.split, "end": used.end},
        "candles": len(candles),
        "gates": gates,
        "passed": passed,
        "verdict": "the edge is plausible" if passed else "luck explains it",
    }


def passing(candles: Candles, used: Range, subject: Subject) -> dict[str, Any]:
    """Pass everything."""
    return _report(candles, used, subject, passed=True)


def refusing(candles: Candles, used: Range, subject: Subject) -> dict[str, Any]:
    """Refuse by one gate of two."""
    return _report(candles, used, subject, passed=False)


def raising(candles: Candles, _used: Range, _subject: Subject) -> dict[str, Any]:
    """Fail as code does."""
    raise ArithmeticError(f"no figures\nof {candles.symbol}")


def slow(candles: Candles, used: Range, subject: Subject) -> dict[str, Any]:
    """Say that half is done, and take long for the rest."""
    import time  # noqa: PLC0415 - used here only

    report_progress(0.5)
    time.sleep(WAIT_S)
    return _report(candles, used, subject, passed=True)
