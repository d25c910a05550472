"""executor_svc: candles, evaluations and weights in; orders, fills and equity out."""

from functools import partial

from contracts.topics import ACCOUNT, CANDLES, EVALUATIONS, FEEDS, WEIGHTS
from executor_svc.handlers import Executor
from executor_svc.ledger import CANDLE, EVALUATION, Ledger, weights_of
from executor_svc.markets import Markets
from executor_svc.meters import ExecutorMeters
from executor_svc.settings import ExecutorSettings
from executor_svc.store import LedgerStore
from executor_svc.thinning import EQUITY
from executor_svc.totals import LedgerCheck
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.codec import decode_candle, decode_evaluation
from tradepulse.runtime.ownership import OwnerMeters, Ownership, become_owner, forget_offsets
from tradepulse.runtime.rules_version import check_rules, wait_for_rules
from tradepulse.runtime.service import Application, Service, run
from tradepulse.trading import RULES_VERSION
from tradepulse.trading.account import Account
from tradepulse.trading.event_time import EventTime

CONSUMERS = "executor:"
"""How the names of all of them begin."""


def declare(service: Service, settings: ExecutorSettings) -> None:
    """Declare what the service reads and publishes."""
    store = LedgerStore(service.pool, settings.account)
    check = LedgerCheck(service.pool, settings.account)
    markets = Markets(service.pool, settings.by_hand())
    meters = ExecutorMeters(service.registry, settings.account, wall_clock)
    consumer = f"{CONSUMERS}{settings.account}"
    owner_meters = OwnerMeters(service.registry, consumer)
    executor = Executor(store, markets, service.relay_outbox(), meters, wall_clock)

    async def recover() -> None:
        await wait_for_rules(service, consumer, RULES_VERSION)
        owner = await become_owner(
            service, consumer, "the account (another executor holds it)", owner_meters
        )
        check_rules(consumer, owner.state, RULES_VERSION)
        ledger = await recovered(store, owner, settings, markets)
        executor.take_over(owner, ledger, await check.totals())

    executor.traces = service.traces
    service.on_new_kafka(partial(forget_offsets, consumers=CONSUMERS))
    service.on_startup(recover)
    service.publishes(ACCOUNT)
    weights = service.resumes(WEIGHTS, executor.on_weights, executor.offsets)
    executor.reads(
        service.follows(FEEDS, executor.on_feeds),
        service.resumes(CANDLES, executor.on_candles, executor.offsets, decode=decode_candle),
        service.resumes(
            EVALUATIONS, executor.on_evaluations, executor.offsets, decode=decode_evaluation
        ),
        weights,
    )
    service.readiness["partitions"] = lambda: weights.is_assigned
    service.retains(EQUITY)
    service.background(executor.keep_settling, "ledger")
    service.background(executor.keep_putting_aside, "messages that nobody has announced")
    service.background(
        partial(check.keep_checking, meters.of_account.show_imbalance), "check of the ledger"
    )
    service.liveness["ledger"] = executor.pulse.is_beating


async def recovered(
    store: LedgerStore, owner: Ownership, settings: ExecutorSettings, markets: Markets
) -> Ledger:
    """Return the ledger as it stood at the last settled close."""
    positions, orders = await store.open_positions(), await store.open_orders()
    await markets.learn(one.instrument for one in (*positions, *orders))
    account = Account(
        await store.open_account(settings.initial_cash),
        settings.rules(markets.rules),
        name=settings.account,
        positions=positions,
        orders=orders,
        marks=owner.state.get("marks"),
        stopped=await store.last_stops(),
    )
    return Ledger(
        account,
        EventTime(
            (CANDLE, EVALUATION),
            settled=owner.settled,
            frontiers=owner.state.get("frontiers"),
            grace_ms=settings.waits_ms,
            tolerance_ms=settings.clock_tolerance_s * 1000,
        ),
        portfolio=None if settings.portfolio in ("", "none") else settings.portfolio,
        weights=weights_of(owner.state),
        clock_is_event_time=settings.waits_ms is None,
    )


APPLICATION = Application("executor_svc", ExecutorSettings, declare)


def main() -> None:
    """Run the service."""
    run(APPLICATION)


if __name__ == "__main__":
    main()
