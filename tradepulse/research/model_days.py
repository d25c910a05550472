"""What the drift watch found, in PostgreSQL: a row for each model and UTC day."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from tradepulse.research.drift import ModelDay, warnings_of
from tradepulse.research.model_registry import At, StoredModel
from tradepulse.runtime.db import at, ms
from tradepulse.trading.policies.features import NAMES
from tradepulse.trading.policies.figure_bins import WINDOW_DAYS, FigureBins
from tradepulse.trading.weights import DAY_MS

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COLUMNS = "day, begun, closes, clipped, counts, psi, growth, equal, evidence, bound"
_DAYS = (
    f"select {_COLUMNS} from (select * from rl_model_days where model_id = $1 "  # noqa: S608 - a constant
    "order by day desc limit $2) as last order by day"
)
# a day is the same whoever looks at it, so one that is there stays
_ADD = f"""
insert into rl_model_days (model_id, {_COLUMNS})
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
where exists (select from event_time_positions where consumer = $12 and epoch = $13)
on conflict do nothing
"""  # noqa: S608 - a constant
_BEGUN = """
select coalesce(max(id), 0) from rl_model_events where model_id = $1
and to_stage in ('SHADOW', 'ACTIVE') and coalesce(from_stage, '') not in ('SHADOW', 'ACTIVE')
"""
_ACTIVE = "select configuration_id from trained_configurations where is_active"


@dataclass(frozen=True, slots=True)
class Watched:
    """A model in service, as the watch sees it.

    Attributes:
        row: of the registry.
        days: the last ones, in their order.
        active: configurations that trade now.
        warnings: what a person should know, each a line.
    """

    row: StoredModel
    days: list[ModelDay]
    active: frozenset[UUID]
    warnings: list[str]

    @property
    def trained(self) -> list[UUID]:
        """The configurations that it was trained on."""
        return trained_on(self.row)


async def watched(at_: At, row: StoredModel, days: int = 30) -> Watched:
    """Return what the watch found about a model on its last days."""
    found = await model_days(at_, row.model_id, max(days, WINDOW_DAYS))
    active = frozenset(one["configuration_id"] for one in await at_.fetch(_ACTIVE))
    told: list[str] = []
    if row.stage in ("ACTIVE", "SHADOW"):
        told = warnings_of(found, limits_of(row), trained_on(row), active)
    return Watched(row, found[-days:], active, told)


async def model_days(at_: At, model_id: UUID, last: int | None = None) -> list[ModelDay]:
    """Return the last days of a model, oldest first; all of them by default."""
    return [_day(row) for row in await at_.fetch(_DAYS, model_id, last)]


async def add_day(at_: At, model_id: UUID, one: ModelDay, consumer: str, epoch: int) -> bool:
    """Keep a day, if the consumer's epoch is still this one; tell whether it was new."""
    done: str = await at_.execute(
        _ADD,
        *(model_id, at(one.day), one.begun, one.closes, one.clipped),
        *([list(each) for each in one.counts], dict(one.psi), one.growth, one.equal),
        *(one.evidence, one.bound, consumer, epoch),
    )
    return done == "INSERT 0 1"


async def begun_at(at_: At, model_id: UUID) -> int:
    """Return the number of the event by which a model last came into service; 0 if it never did."""
    found: int = await at_.fetchval(_BEGUN, model_id)
    return found


def bins_in(row: StoredModel) -> FigureBins | None:
    """Return where a model's figures lay in training; None where its manifest does not say."""
    told = row.manifest.get("seen")
    if told is None:
        return None
    try:
        return FigureBins.model_validate(told)
    except ValidationError:
        # the row beside the file can be written by hand; the file itself was checked
        return None


def limits_of(row: StoredModel) -> dict[str, float] | None:
    """Return by figure the index above which it counts as shifted."""
    bins = bins_in(row)
    return None if bins is None else dict(zip(NAMES, bins.limits, strict=True))


def trained_on(row: StoredModel) -> list[UUID]:
    """Return the configurations whose trades a model was trained on."""
    found = (one.get("configuration_id", one.get("id")) for one in row.configurations)
    return [UUID(one) for one in found if isinstance(one, str) and _ID.fullmatch(one)]


def day_of(time: int) -> int:
    """Return the midnight that begins the UTC day of a time, epoch ms."""
    return time // DAY_MS * DAY_MS


def _day(row: Any) -> ModelDay:
    told = dict(row)
    told["day"] = ms(told["day"])
    told["counts"] = tuple(tuple(each) for each in told["counts"])
    return ModelDay(**told)
