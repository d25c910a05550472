"""What /metrics tells of the account that an executor works for."""

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.events import OrderStatus, OrderType
from executor_svc.ledger import Ledger, Settled
from executor_svc.path_meters import PathMeters
from executor_svc.totals import Totals
from tradepulse.runtime.metrics import on_scrape, touch
from tradepulse.trading.moments import Settlement
from tradepulse.trading.orders import EquityPoint, Fill, decimal, movement
from tradepulse.trading.refused import CODES, OTHER, code_of

ZERO = Decimal(0)
SLIPPAGES = (-0.01, -0.001, 0, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05)


class ExecutorMeters:
    """What the executor counts while it settles.

    Args:
        registry: of the metrics.
        account: its name.
        now: wall clock, epoch ms.
    """

    def __init__(self, registry: CollectorRegistry, account: str, now: Callable[[], int]) -> None:
        self._account = account
        self.path = PathMeters(registry, now)
        self.of_account = AccountMeters(registry, account, now)
        self.closes = Counter("tradepulse_closes_settled_total", "Closes", registry=registry)
        self.orders = Counter(
            "tradepulse_orders_total",
            "Orders by last state",
            ["account", "type", "status"],
            registry=registry,
        )
        self.refused = Counter(
            "tradepulse_orders_refused_total",
            "Entries refused",
            ["account", "code"],
            registry=registry,
        )
        self.trades = Counter(
            "tradepulse_trades_total", "Positions closed", ["account"], registry=registry
        )
        touch(self.orders, [account], get_args(OrderType), get_args(OrderStatus))
        touch(self.refused, [account], [*CODES.values(), OTHER])
        touch(self.trades, [account])
        self.missing = Counter(
            "tradepulse_missing_total", "Series not waited for any longer", registry=registry
        )
        self.late = Counter("tradepulse_late_total", "Items settled late", registry=registry)
        self.fallback = Counter(
            "tradepulse_fallback_weights_total",
            "Entries sized by equal weights because no fresh vector was there",
            registry=registry,
        )
        self.event_time = Gauge(
            "tradepulse_event_time_seconds", "Last settled close", registry=registry
        )
        self.ahead = Gauge("tradepulse_closes_ahead", "Gathered, not settled", registry=registry)
        self.seconds = Histogram(
            "tradepulse_settle_seconds", "One batch of closes, stored", registry=registry
        )

    def take_over(self, ledger: Ledger, totals: Totals) -> None:
        """Tell of the account from now on."""
        self.event_time.set(ledger.event_time.settled / 1000)
        self.path.take_over(ledger.event_time)
        self.of_account.take_over(ledger, totals)

    def on_settled(self, settled: Sequence[Settled]) -> None:
        """Count the settled closes of one batch."""
        done = [one.settlement for one in settled]
        self.closes.inc(len(done))
        self.missing.inc(sum(one.missing for one in settled))
        self.late.inc(sum(one.late for one in settled))
        self.trades.labels(self._account).inc(sum(len(one.closed) for one in done))
        self.fallback.inc(sum(one.fallback_weights for one in done))
        orders = [order for one in done for order in one.orders.values()]
        for (type_, status), count in Tally((o.order_type, o.status) for o in orders).items():
            self.orders.labels(self._account, type_, status).inc(count)
        refused = (code_of(order.reason) for order in orders if order.status == "REFUSED")
        for code, count in Tally(refused).items():
            self.refused.labels(self._account, code).inc(count)
        times = [one.equity.close_time for one in done if one.equity is not None]
        if times:
            self.event_time.set(times[-1] / 1000)
        self.of_account.on_settled(done)


class AccountMeters:
    """The account as it stands; told by who works for it, and by no standby.

    Fees, realised profit and the peak go on where the ledger stood before a restart.

    Args:
        registry: of the metrics.
        account: its name.
        now: wall clock, epoch ms.
    """

    def __init__(self, registry: CollectorRegistry, account: str, now: Callable[[], int]) -> None:
        self._name = account
        self._now = now
        self._of: Ledger | None = None
        self._peak = ZERO
        on_scrape(registry, self._look)

        one, place = ["account"], ["account", "exchange", "symbol"]
        self._equity = Gauge("tradepulse_equity", "Quote currency", one, registry=registry)
        self._equity_peak = Gauge(
            "tradepulse_equity_peak", "Highest equity ever", one, registry=registry
        )
        self._cash = Gauge("tradepulse_cash", "Cash", one, registry=registry)
        self._exposure = Gauge(
            "tradepulse_exposure", "Sum of the positions' values", one, registry=registry
        )
        self._open = Gauge("tradepulse_open_positions", "Open", one, registry=registry)
        self._unrealised = Gauge(
            "tradepulse_unrealised_profit", "Of open positions", one, registry=registry
        )
        self._realised = Gauge(
            "tradepulse_realised_profit", "Of closed positions", one, registry=registry
        )
        self._imbalance = Gauge(
            "tradepulse_ledger_imbalance", "What the tables lack: 0", one, registry=registry
        )
        self._notional = Gauge(
            "tradepulse_position_notional", "Value of what is held", place, registry=registry
        )
        self._age = Gauge(
            "tradepulse_position_age_seconds", "Since the oldest entry", place, registry=registry
        )
        self._weights_age = Gauge(
            "tradepulse_weights_age_seconds",
            "Of the binding vector, by the clock that judges it",
            ["portfolio"],
            registry=registry,
        )
        self._fees = Counter("tradepulse_fees_total", "Fees", ["account"], registry=registry)
        self._slippage = Histogram(
            "tradepulse_slippage_ratio",
            "How much worse than its reference a fill's price was",
            ["account"],
            buckets=SLIPPAGES,
            registry=registry,
        )
        touch(self._slippage, [account])

    def take_over(self, ledger: Ledger, totals: Totals) -> None:
        """Tell of the account from now on."""
        self._of = ledger
        self._peak = totals.peak
        self._realised.labels(self._name).set(float(totals.realised))
        self._fees.labels(self._name).inc(float(totals.fees))
        self._show(ledger.account.equity_point(ledger.event_time.settled))

    def on_settled(self, done: Sequence[Settlement]) -> None:
        """Note what closes changed."""
        fills = [fill for one in done for fill in one.fills]
        if fills:
            self._fees.labels(self._name).inc(float(sum(fill.fee for fill in fills)))
            slippage = self._slippage.labels(self._name)
            for fill in fills:
                slippage.observe(slippage_of(fill))
            profit = sum((trade.profit for one in done for trade in one.closed), ZERO)
            self._realised.labels(self._name).inc(float(profit))
        points = [one.equity for one in done if one.equity is not None]
        if points:
            self._peak = max(self._peak, *(point.equity for point in points))
            self._show(points[-1])

    def show_imbalance(self, amount: Decimal) -> None:
        """Tell what the ledger's tables lack."""
        self._imbalance.labels(self._name).set(float(amount))

    def _show(self, point: EquityPoint) -> None:
        self._peak = max(self._peak, point.equity)
        for gauge, value in (
            (self._equity, point.equity),
            (self._equity_peak, self._peak),
            (self._cash, point.cash),
            (self._exposure, point.exposure),
            (self._open, point.open_positions),
        ):
            gauge.labels(self._name).set(float(value))

    def _look(self) -> None:
        """Look at what is held, when it is asked for."""
        if self._of is None:
            return
        age_ms = self._of.weights_age_ms(self._now())
        if age_ms is not None:
            self._weights_age.labels(self._of.portfolio).set(age_ms / 1000)
        account, settled = self._of.account, self._of.event_time.settled
        unrealised = ZERO
        held: dict[tuple[str, str], tuple[Decimal, int]] = {}
        for one in account.positions.values():
            value = one.signed_quantity * decimal(account.marks[one.instrument])
            cost = movement(one.side, one.quantity, one.entry_price)
            unrealised += value - cost - one.fees
            notional, since = held.get((one.exchange, one.symbol), (ZERO, settled))
            held[one.exchange, one.symbol] = notional + value, min(since, one.entry_time)
        self._unrealised.labels(self._name).set(float(unrealised))
        # what is flat again is not told any more
        self._notional.clear()
        self._age.clear()
        for place, (notional, since) in held.items():
            self._notional.labels(self._name, *place).set(float(notional))
            self._age.labels(self._name, *place).set((settled - since) / 1000)


def slippage_of(fill: Fill) -> float:
    """Return how much worse a price was than the one that the order was decided at, as a ratio."""
    reference = fill.order.reference_price
    worse = float(fill.price) - reference
    return (worse if fill.order.side == "buy" else -worse) / reference
