"""What a search job is about once it is understood, and what it keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimizer_svc.search.plan import Search, costs_of
from optimizer_svc.search.trials import Costs
from optimizer_svc.search.turns import Turn
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.rules_now import Markets
from tradepulse.research.claims import Job
from tradepulse.research.configurations import NewConfiguration
from tradepulse.research.jobs import JobSpec
from tradepulse.research.search.ranges import Range


@dataclass(frozen=True, slots=True)
class Study:
    """A search job that is understood: what it tries, on which candles."""

    job: Job
    spec: JobSpec
    searches: list[Search]
    candles: Mapping[str, Candles]
    """By symbol."""
    ranges: Mapping[str, Range]
    """By symbol."""
    markets: Markets
    turn: Turn

    def market(self, symbol: str) -> dict[str, Any] | None:
        """Return the rules of the venue for a symbol, None where nothing is known."""
        return self.markets.get(self.candles[symbol].instrument)

    def costs(self, symbol: str) -> Costs:
        """Return what its backtests are told."""
        return Costs(**costs_of(self.spec), market=self.market(symbol))

    def held(self, symbol: str) -> str:
        """Return the name under which trials find the candles of a symbol."""
        return f"{self.job.job_id}:{symbol}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A configuration to be stored, and why."""

    configuration: NewConfiguration
    found: str
    """Reason of its discovery."""
    activated: str
    """Reason of its activation; empty where it is not activated."""
