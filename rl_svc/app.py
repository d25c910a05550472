"""rl_svc: candles in, portfolio weights out at every close."""

from functools import partial

from contracts.topics import CANDLES, FEEDS, WEIGHTS
from rl_svc.drift_watch import DriftWatch
from rl_svc.following import ModelFollower, first_policies
from rl_svc.handlers import WeightDecider
from rl_svc.meters import WeightMeters
from rl_svc.portfolio import CANDLE, Portfolio
from rl_svc.settings import PortfolioSettings
from rl_svc.store import CONSUMERS, WeightStore, tell_weights
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.codec import decode_candle
from tradepulse.runtime.ownership import OwnerMeters, become_owner
from tradepulse.runtime.rules_version import check_rules, wait_for_rules
from tradepulse.runtime.service import Application, Service, run
from tradepulse.runtime.settings import RefusedError
from tradepulse.trading import RULES_VERSION
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.policies.features import LOOKBACK


def declare(service: Service, settings: PortfolioSettings) -> None:
    """Declare what the service reads and publishes."""
    meters = WeightMeters(service.registry, settings.portfolio)
    watch = DriftWatch(service.pool, settings.portfolio, service.registry)
    decider = WeightDecider(
        WeightStore(service.pool, settings.portfolio),
        service.relay_outbox(),
        meters,
        wall_clock,
        watch.on_settled,
    )
    consumer = f"{CONSUMERS}{settings.portfolio}"
    owner_meters = OwnerMeters(service.registry, consumer)
    follower = ModelFollower(settings.portfolio, settings.budget, decider.follow, meters.model_made)

    async def recover() -> None:
        try:
            followed = await first_policies(settings, follower, service.pool)
        except ValueError as error:
            raise RefusedError(f"configuration refused: POLICY: {error}") from error
        await wait_for_rules(service, consumer, RULES_VERSION)
        owner = await become_owner(
            service, consumer, "the portfolio (another process holds it)", owner_meters
        )
        check_rules(consumer, owner.state, RULES_VERSION)
        event_time = EventTime(
            (CANDLE,),
            settled=owner.settled,
            frontiers=owner.state.get("frontiers"),
            grace_ms=settings.waits_ms,
            tolerance_ms=settings.clock_tolerance_s * 1000,
        )
        # whichever model is followed, or decides in shadow, later finds all that it looks at
        portfolio = Portfolio(settings.portfolio, followed.policy, event_time, LOOKBACK)
        portfolio.follow(followed.policy, followed.shadows)
        decider.take_over(owner, portfolio, portfolio.lookback)
        watch.take_over(owner)

    service.on_new_kafka(tell_weights)
    service.on_startup(recover)
    service.publishes(WEIGHTS)
    feeds = service.follows(FEEDS, decider.on_feeds)
    candles = service.resumes(CANDLES, decider.on_candles, decider.offsets, decode=decode_candle)
    decider.reads(feeds, candles)
    service.readiness["partitions"] = lambda: candles.is_assigned
    service.background(decider.keep_deciding, "weights")
    service.background(decider.keep_putting_aside, "messages that nobody has announced")
    service.background(partial(follower.run, settings.database_url), "models")
    service.background(watch.run, "drift watch")
    service.liveness["weights"] = decider.pulse.is_beating


APPLICATION = Application("rl_svc", PortfolioSettings, declare)


def main() -> None:
    """Run the service."""
    run(APPLICATION)


if __name__ == "__main__":
    main()
