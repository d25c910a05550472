"""Which models decide: the one that is active, where it is followed, and those in shadow."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from rl_svc.settings import PortfolioSettings
from tradepulse.research.model_files import PREFIX
from tradepulse.research.model_registry import (
    CHANNEL,
    At,
    names_registered,
    registered_policy,
    stored_model,
)
from tradepulse.runtime.db import UNREACHABLE, connect
from tradepulse.runtime.refusals import RefusedError
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.weighing import Unserved
from tradepulse.trading.weights import WeightPolicy

log = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0
"""The registry says when it changes; this is for what changes it without a word."""
MOST_SHADOWS = 8
"""Models that decide beside the active one; each takes half a millisecond of a close."""
# what is stored is summed anew at each look, so that damage is seen while it runs
_FOLLOWED = """
select model_id, stage, created_at, artifact_sha256, encode(sha256(artifact), 'hex') as digest
from rl_models
where portfolio = $1 and (stage = 'SHADOW' or stage = 'ACTIVE' and not $2::boolean)
order by stage = 'ACTIVE' desc, stage_since desc, model_id
"""


@dataclass(frozen=True, slots=True)
class Followed:
    """Who decides, and who decides beside."""

    policy: WeightPolicy
    shadows: tuple[LearnedPolicy, ...] = ()


class ModelFollower:
    """Hands on other policies whenever another model of the portfolio is active or in shadow.

    Whatever is wrong with a model, the portfolio goes on: inverse volatility then decides, and says
    why.

    Args:
        portfolio: whose models are followed.
        budget: what the weights sum to at most.
        follow: takes in a policy for the next close, and those that decide beside it.
        tell: told when the active model was registered, where one is followed.
    """

    def __init__(
        self,
        portfolio: str,
        budget: float,
        follow: Callable[[WeightPolicy, Sequence[WeightPolicy]], Awaitable[None]],
        tell: Callable[[datetime | None], object] = lambda _: None,
    ) -> None:
        self._tell = tell
        self._pinned: WeightPolicy | None = None
        self._portfolio = portfolio
        self._budget = budget
        self._follow = follow
        self._seen: list[tuple[Any, ...]] | None = None
        self._told = asyncio.Event()

    def pin(self, policy: WeightPolicy) -> None:
        """Let this policy be published from now on, whichever model is active."""
        self._pinned = policy

    async def look(self, at: At) -> Followed | None:
        """Return who decides now, None where that is as it was seen last."""
        rows = await at.fetch(_FOLLOWED, self._portfolio, self._pinned is not None)
        seen = [tuple(row) for row in rows]
        if seen == self._seen:
            return None
        active = next((row["model_id"] for row in rows if row["stage"] == "ACTIVE"), None)
        shadows = [row["model_id"] for row in rows if row["stage"] == "SHADOW"]
        policy = self._pinned or await self._policy(at, active)
        followed = Followed(policy, await self._beside(at, shadows))
        self._seen = seen
        self._tell(next((row["created_at"] for row in rows if row["stage"] == "ACTIVE"), None))
        return followed

    async def run(self, database_url: str) -> None:
        """Follow until cancelled; a database that goes away ends it."""
        connection = await connect(database_url, application="rl_svc active model")
        try:
            await connection.add_listener(CHANNEL, self._on_notify)
            while True:
                self._told.clear()
                await self._look_safely(connection)
                # wait_for would forget a cancel that comes at the moment it is told
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._told.wait()
        finally:
            connection.terminate()

    async def _look_safely(self, at: At) -> None:
        try:
            followed = await self.look(at)
        except UNREACHABLE:
            raise
        except asyncpg.PostgresError:
            # weights go on without the registry, by what is followed now
            log.exception("cannot see which model is active")
            return
        if followed is not None:
            await self._follow(followed.policy, followed.shadows)

    async def _policy(self, at: At, model_id: UUID | None) -> WeightPolicy:
        if model_id is None:
            log.warning(
                "no model of portfolio %s is active: inverse volatility decides; promote one with "
                "`tradepulse policy promote`",
                self._portfolio,
            )
            return Unserved("no_model", self._budget)
        try:
            model = await stored_model(at, model_id)
        except RefusedError as error:
            log.error("%s; inverse volatility decides", error)  # noqa: TRY400 - the line says all
            return Unserved("artifact", self._budget, str(model_id))
        log.info("model %s is followed from now on", model_id)
        return LearnedPolicy(model, self._budget)

    async def _beside(self, at: At, ids: Sequence[UUID]) -> tuple[LearnedPolicy, ...]:
        found = []
        for model_id in ids[:MOST_SHADOWS]:
            try:
                found.append(LearnedPolicy(await stored_model(at, model_id), self._budget))
            except RefusedError as error:
                log.error("%s; it does not decide in shadow", error)  # noqa: TRY400 - as above
        if ids:
            log.info("in shadow decide %s", ", ".join(one.model_id for one in found) or "none")
        if left := [str(one) for one in ids[MOST_SHADOWS:]]:
            log.warning(
                "%s decide not in shadow: only the %s newest do; retire some",
                ", ".join(left),
                MOST_SHADOWS,
            )
        return tuple(found)

    def _on_notify(self, *told: Any) -> None:
        if told[-1] == self._portfolio:
            self._told.set()


async def first_policies(
    settings: PortfolioSettings, follower: ModelFollower, pool: "asyncpg.Pool[asyncpg.Record]"
) -> Followed:
    """Return what a service begins with.

    Raises:
        ValueError: it cannot be used; that of an active model always can.
    """
    if not settings.follows_models:
        follower.pin(await _pinned_policy(settings, pool))
    found = await follower.look(pool)
    if found is None:
        raise RuntimeError("this follower has looked before")
    return found


async def _pinned_policy(
    settings: PortfolioSettings, pool: "asyncpg.Pool[asyncpg.Record]"
) -> WeightPolicy:
    policy: WeightPolicy
    if settings.policy.startswith(PREFIX) and names_registered(settings.policy):
        policy = await registered_policy(pool, settings.policy, settings.budget)
    else:
        policy = settings.weight_policy()
    if isinstance(policy, LearnedPolicy) and policy.mode != "signals":
        raise ValueError(
            f"model {policy.model_id} was trained to hold a portfolio at all times (mode "
            f"{policy.mode}), not to size signals: give a model of mode signals; this one is for "
            "`tradepulse backtest`"
        )
    return policy
