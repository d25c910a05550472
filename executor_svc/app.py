"""executor_svc: candles, evaluations and weights in; orders, fills and equity out."""

from contracts.topics import CANDLES, EVALUATIONS, FEEDS, WEIGHTS
from executor_svc.handlers import Executor, ExecutorMetrics
from executor_svc.ledger import CANDLE, EVALUATION, Ledger, weights_of
from executor_svc.settings import ExecutorSettings
from executor_svc.store import LedgerStore
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.ownership import become_owner
from tradepulse.runtime.service import Service, run
from tradepulse.trading.account import Account
from tradepulse.trading.event_time import EventTime


async def compose(service: Service, settings: ExecutorSettings) -> None:
    """Build the service: become the account's one owner, recover, go on."""
    owner = await become_owner(
        service, f"executor:{settings.account}", "the account (another executor holds it)"
    )
    store = LedgerStore(service.pool, settings.account)
    account = Account(
        await store.open_account(settings.initial_cash),
        settings.rules(),
        positions=await store.open_positions(),
        orders=await store.open_orders(),
        marks=owner.state.get("marks"),
    )
    is_replay = settings.clock == "replay"
    ledger = Ledger(
        account,
        EventTime(
            (CANDLE, EVALUATION),
            settled=owner.settled,
            frontiers=owner.state.get("frontiers"),
            grace_ms=None if is_replay else settings.grace_ms,
        ),
        portfolio=None if settings.portfolio in ("", "none") else settings.portfolio,
        weights=weights_of(owner.state),
        clock_is_event_time=is_replay,
    )
    for event in await service.bus.read_all(FEEDS):
        ledger.on_feed(event)
    reader = service.bus.reader(CANDLES, EVALUATIONS, WEIGHTS, FEEDS)
    await reader.start(owner.offsets)
    service.readiness["partitions"] = lambda: reader.assigned
    executor = Executor(
        reader,
        ledger,
        store,
        owner,
        service.relay_outbox(),
        ExecutorMetrics(service.registry),
        wall_clock,
    )
    service.background(executor.run(), "ledger")


def main() -> None:
    """Run the service."""
    run("executor_svc", ExecutorSettings, compose)


if __name__ == "__main__":
    main()
