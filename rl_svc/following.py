"""Which model the portfolio follows: the one that is active, switched between two closes."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

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
# what is stored is summed anew at each look, so that damage is seen while it runs
_ACTIVE = """
select model_id, artifact_sha256, encode(sha256(artifact), 'hex') as digest
from rl_models where portfolio = $1 and stage = 'ACTIVE'
"""


class ModelFollower:
    """Hands on another policy whenever another model of the portfolio is active, or none.

    Whatever is wrong with a model, the portfolio goes on: inverse volatility then decides, and says
    why.

    Args:
        portfolio: whose model is followed.
        budget: what the weights sum to at most.
        follow: takes in a policy for the next close.
    """

    def __init__(
        self, portfolio: str, budget: float, follow: Callable[[WeightPolicy], Awaitable[None]]
    ) -> None:
        self._portfolio = portfolio
        self._budget = budget
        self._follow = follow
        self._seen: tuple[Any, ...] | None = None
        self._told = asyncio.Event()

    async def look(self, at: At) -> WeightPolicy | None:
        """Return the policy of the active model, None where it is the one that was seen last."""
        row = await at.fetchrow(_ACTIVE, self._portfolio)
        seen = () if row is None else tuple(row)
        if seen == self._seen:
            return None
        policy = await self._policy(at, row)
        self._seen = seen
        return policy

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
            policy = await self.look(at)
        except UNREACHABLE:
            raise
        except asyncpg.PostgresError:
            # weights go on without the registry, by what is followed now
            log.exception("cannot see which model is active")
            return
        if policy is not None:
            await self._follow(policy)

    async def _policy(self, at: At, row: asyncpg.Record | None) -> WeightPolicy:
        if row is None:
            log.warning(
                "no model of portfolio %s is active: inverse volatility decides; promote one with "
                "`tradepulse policy promote`",
                self._portfolio,
            )
            return Unserved("no_model", self._budget)
        try:
            model = await stored_model(at, row["model_id"])
        except RefusedError as error:
            log.error("%s; inverse volatility decides", error)  # noqa: TRY400 - the line says all
            return Unserved("artifact", self._budget, str(row["model_id"]))
        log.info("model %s is followed from now on", model.model_id)
        return LearnedPolicy(model, self._budget)

    def _on_notify(self, *told: Any) -> None:
        if told[-1] == self._portfolio:
            self._told.set()


async def first_policy(
    settings: PortfolioSettings, follower: ModelFollower, pool: "asyncpg.Pool[asyncpg.Record]"
) -> WeightPolicy:
    """Return the policy that a service begins with.

    Raises:
        ValueError: it cannot be used; that of an active model always can.
    """
    if settings.follows_models:
        policy = await follower.look(pool)
        return policy or Unserved("no_model", settings.budget)
    if settings.policy.startswith(PREFIX) and names_registered(settings.policy):
        return await registered_policy(pool, settings.policy, settings.budget)
    return settings.weight_policy()
