"""What the gates say of a parameter set: `validate`, and its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.times import Time
from tradepulse.library.accounts import Account, account_rules
from tradepulse.library.found import Best, Found
from tradepulse.library.progress import shown
from tradepulse.library.searches import beside, cores, with_warm_up
from tradepulse.library.series import moment, time_range
from tradepulse.library.uses import Use
from tradepulse.research.report_page.text import day
from tradepulse.research.search.ranges import HELD_BACK, Range, lookback_of_space, range_of
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.validation import Ranges, Report, ValidationRequest
from tradepulse.research.validation import validate as judge
from tradepulse.strategies import Strategy, get_strategy

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


class Options(Account, total=False):
    """What else may be said of a validation.

    Attributes:
        start: see `sweep`, of a set that no search found; so are `until` and `held_back`.
        until: see `start`.
        held_back: see `start`.
        others: candles that the strategy looks at beside its own.
        threads: see `sweep`.
    """

    start: Time | None
    until: Time | None
    held_back: float
    others: Candles | Sequence[Candles]
    threads: int


def validate(
    candles: Candles,
    best: Use,
    *,
    search: Found | Sequence[Found] = (),
    **options: Unpack[Options],
) -> Verdict:
    """Put a parameter set before the gates, as the validation that follows `optimize` does.

    It is judged by what its search never saw, by how it was chosen, and by how often somebody
    looked: every trial of `search` counts. Give all searches that you have made on this market,
    not only the last one.

    Args:
        candles: the series: what the search saw, and what came after.
        best: from `Found.best`, or of `use`.
        search: that found it, or several: the first one of its strategy found it.
        options: see `Options`: of the data start, until, held_back, others; threads. Of the
            account, see `Account`; where nothing is said of it, that of the search.

    Raises:
        ValueError: the candles are not those of the search, or leave nothing to judge by.
        TypeError: an option is not known.
        StrategyError: the strategy failed.
    """
    said: dict[str, Any] = dict(options)
    threads, others = said.pop("threads", None) or cores(), said.pop("others", ())
    searches = [search] if isinstance(search, Found) else list(search)
    own = _own(candles, best, searches)
    strategy = get_strategy(best.strategy)
    used, given = _divided(candles, strategy, own, said)
    if not used.split < used.end:
        raise ValueError(
            f"{len(candles)} candles of {candles.series} leave nothing out of sample to judge by: "
            "give those that the search did not see, too, or search until an earlier time"
        )
    rules = account_rules([candles.instrument], said)
    if own is not None and not said:
        rules = own.asked.account
    request = ValidationRequest(
        strategy=best.strategy,
        params=strategy.complete(best.params),
        ranges=Ranges(used.start, used.split, used.end),
        account=rules,
        simulation=SimulationRules.of(rules, candles.instrument),
        share=best.share,
        trials=sum(one.trials for one in searches),
        searches=tuple(one.luck for one in searches),
        threads=threads,
        **_how(best, own),
    )
    with shown(f"Validating {best.strategy}") as tell:
        return Verdict(judge(request, beside(given, strategy, others), tell))


def _divided(
    candles: Candles, strategy: Strategy, own: Found | None, said: dict[str, Any]
) -> tuple[Range, Candles]:
    """Return the candles that count, and how they are divided: as its search did, or as is said."""
    first, split = time_range(said.pop("start", None), None)[0], said.pop("until", None)
    held_back = said.pop("held_back", HELD_BACK)
    if own is not None:
        first, split = own.used.start, own.used.split
    lookback = lookback_of_space(strategy, {}, candles.timeframe)
    given = with_warm_up(candles, lookback, first)
    at = None if split is None else moment("until", split)
    return range_of(given, lookback, first, held_back=held_back, split=at), given


def _how(best: Use, own: Found | None) -> dict[str, Any]:
    """Return how a set was found, as `ValidationRequest` names it; nothing where by hand."""
    if own is None:
        return {}
    goal = best.goal if isinstance(best, Best) else own.asked.goal
    return {
        "objective": goal.objective,
        "min_trades": goal.min_trades,
        "max_drawdown_pct": goal.max_drawdown_pct,
        "tried": own.params,
        "seed": own.asked.seed,
        "method": own.asked.method,
    }


def _own(candles: Candles, best: Use, searches: Sequence[Found]) -> Found | None:
    """Return the search that found a set; None where none did.

    Raises:
        ValueError: a search was of another market, none of the strategy, or it saw other candles.
    """
    for one in searches:
        if one.seen.symbol != candles.symbol:
            raise ValueError(
                f"a search was of {one.seen.symbol}, the candles are of {candles.symbol}: give the "
                "searches of this market"
            )
    found = [one for one in searches if one.asked.strategy.name == best.strategy]
    if searches and not found:
        raise ValueError(f"no search given is of {best.strategy}: give the one that found it")
    if not found:
        return None
    own = found[0]
    seen = candles.between(int(own.seen.open_time[0]), own.used.split)
    if seen.series != own.seen.series or not _alike(seen, own.seen):
        raise ValueError(
            f"the candles are not those of {own.seen.series} that the search saw, "
            f"{day(own.used.start)} to {day(own.used.split)}: give the same, and what came after"
        )
    return own


def _alike(one: Candles, other: Candles) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("open_time", "close")
    )
