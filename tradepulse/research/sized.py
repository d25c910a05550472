"""The configurations whose trades a policy sizes, as they were when its training was queued."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self
from uuid import UUID

import asyncpg

from tradepulse.research.configurations import StoredConfiguration, list_configurations
from tradepulse.research.lifecycle import RANGES
from tradepulse.strategies.evaluate import Configuration


@dataclass(frozen=True, slots=True)
class Sized:
    """One configuration.

    Attributes:
        searched: first open time by which it was chosen, and the one before which those days end,
            epoch ms: what its search looked at in sample, and out of sample, by which it was kept.
            None where nobody knows.
    """

    configuration_id: UUID
    revision: int
    strategy: str
    exchange: str
    symbol: str
    timeframe: str
    params: Mapping[str, float]
    share: float
    searched: tuple[int, int] | None

    @property
    def series(self) -> str:
        """`exchange:symbol:timeframe`."""
        return f"{self.exchange}:{self.symbol}:{self.timeframe}"

    @property
    def title(self) -> str:
        """As a person knows it."""
        return f"{self.strategy} on {self.series}, {str(self.configuration_id)[:8]}"

    @property
    def configuration(self) -> Configuration:
        """As strategies are asked."""
        return Configuration(
            self.configuration_id, self.strategy, self.exchange, self.symbol, self.timeframe,
            self.params, self.share,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON takes it, with the name of its series; see `of_json`."""
        told = {**asdict(self), "configuration_id": str(self.configuration_id)}
        return {**told, "params": dict(self.params), "series": self.series}

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `as_json` gave."""
        given = {name: value for name, value in told.items() if name != "series"}
        searched = given.pop("searched")
        given["configuration_id"] = UUID(given["configuration_id"])
        return cls(**given, searched=None if searched is None else (searched[0], searched[1]))


def sized_of(row: StoredConfiguration) -> Sized:
    """Return a configuration as it is now."""
    inside, outside = (row.metrics.get(name) for name in RANGES)
    searched = None if not inside or not outside else (int(inside[0]), int(outside[1]))
    return Sized(
        row.configuration_id, row.revision, row.strategy, row.exchange, row.symbol, row.timeframe,
        row.params, row.share, searched,
    )  # fmt: skip


async def sized_now(
    pool: "asyncpg.Pool[asyncpg.Record]", asked: Sequence[UUID] | Literal["active"]
) -> tuple[list[Sized], list[UUID]]:
    """Return the configurations that are asked for, and the ids that none has."""
    rows = await list_configurations(pool, active_only=asked == "active")
    if asked == "active":
        return [sized_of(row) for row in rows], []
    wanted = set(asked)
    found = [sized_of(row) for row in rows if row.configuration_id in wanted]
    known = {one.configuration_id for one in found}
    return found, [one for one in asked if one not in known]
