"""rl_svc: candles in, portfolio weights out at every close."""

from contracts.topics import CANDLES, FEEDS
from rl_svc.handlers import WeightDecider
from rl_svc.portfolio import CANDLE, Portfolio
from rl_svc.settings import PortfolioSettings
from rl_svc.store import WeightStore
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.codec import decode_candle
from tradepulse.runtime.ownership import become_owner
from tradepulse.runtime.service import Service, run
from tradepulse.runtime.settings import RefusedError
from tradepulse.trading.event_time import EventTime


async def compose(service: Service, settings: PortfolioSettings) -> None:
    """Build the service: become the portfolio's one owner, recover, go on."""
    try:
        policy = settings.weight_policy()
    except ValueError as error:
        raise RefusedError(f"configuration refused: POLICY: {error}") from error
    owner = await become_owner(
        service, f"weights:{settings.portfolio}", "the portfolio (another process holds it)"
    )
    event_time = EventTime(
        (CANDLE,),
        settled=owner.settled,
        frontiers=owner.state.get("frontiers"),
        grace_ms=None if settings.clock == "replay" else settings.grace_ms,
    )
    reader = service.bus.reader(CANDLES, FEEDS, decoders={CANDLES.name: decode_candle})
    decider = WeightDecider(
        reader,
        Portfolio(settings.portfolio, policy, event_time),
        WeightStore(service.pool, settings.portfolio),
        owner,
        service.relay_outbox(),
        service.registry,
        lookback=policy.lookback,
        now=wall_clock,
    )
    for event in await service.bus.read_all(FEEDS):
        await decider.on_feed(event)
    await reader.start(owner.offsets)
    service.readiness["partitions"] = lambda: reader.assigned
    service.background(decider.run(), "weights")


def main() -> None:
    """Run the service."""
    run("rl_svc", PortfolioSettings, compose)


if __name__ == "__main__":
    main()
