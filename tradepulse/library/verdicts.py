"""What the gates say of a parameter set: `validate`, and its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradepulse.candles.arrays import Candles
from tradepulse.candles.times import Time
from tradepulse.library.searches import Best, Found
from tradepulse.research.search.ranges import HELD_BACK
from tradepulse.research.validation import Report
from tradepulse.trading.sizing import AccountRules

if TYPE_CHECKING:
    import polars as pl

_GATE = ("title", "figure", "unit", "comparison", "threshold", "passed", "verdict")


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the gates say; docs/guides/validation.md explains each one."""

    _report: Report

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return self._report.passed

    @property
    def sentence(self) -> str:
        """Say it in a sentence, as `tradepulse configs report` does."""
        return self._report.verdict

    @cached_property
    def gates(self) -> "pl.DataFrame":
        """A row for each gate: title, figure (null where undefined), threshold, passed, why."""
        import polars as pl  # noqa: PLC0415 - slow to import

        rows = [gate.as_json() for gate in self._report.gates]
        floats = {"figure": pl.Float64, "threshold": pl.Float64}
        return pl.DataFrame(
            {name: [row[name] for row in rows] for name in _GATE}, schema_overrides=floats
        )

    def as_json(self) -> dict[str, Any]:
        """Return all of it, as `tradepulse configs report --json` writes it."""
        return self._report.as_json()

    def report(self, path: Path | str) -> Path:
        """Write the report of `tradepulse configs report --html`: one page that opens offline.

        Args:
            path: of the file.
        """
        from tradepulse.research.report_page import report_page  # noqa: PLC0415 - only who writes

        written = Path(path)
        written.write_text(report_page(self.as_json()), encoding="utf-8")
        return written

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        from tradepulse.research.report_page.markup import el  # noqa: PLC0415 - for notebooks
        from tradepulse.research.report_page.tables import gates_table  # noqa: PLC0415 - likewise

        return el("p", el("strong", self.sentence)) + gates_table(self.as_json()["gates"])


def validate(
    candles: Candles,
    best: Best,
    *,
    search: Found | Sequence[Found] = (),
    start: Time | None = None,
    until: Time | None = None,
    held_back: float = HELD_BACK,
    account: AccountRules | None = None,
    threads: int | None = None,
) -> Verdict:
    """Put a parameter set before the gates, as a validation of `tradepulse optimize` does.

    It is judged by what its search never saw, by how it was chosen, and by how often somebody has
    looked: every trial of `search` counts. Give every search that you have made on this market,
    not only the last one.

    Args:
        candles: the series, with what the search did not see.
        best: from `Found.best`, or `use`.
        search: that found it, or several: the first one that searched this strategy found it.
        start: see `sweep`; of a set that no search found. So are `until` and `held_back`.
        until: see `start`.
        held_back: see `start`.
        account: fees, slippage, limits; None for those of the search.
        threads: see `sweep`.

    Raises:
        ValueError: the candles are not those of the search, or leave nothing to judge by.
        StrategyError: the strategy failed.
    """
