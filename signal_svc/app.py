"""signal_svc: candles in, one evaluation per candle out."""

from prometheus_client import Counter, Gauge

from contracts.topics import CANDLES, CONFIGURATIONS
from signal_svc.active import ActiveConfigurations
from signal_svc.handlers import CandleHandler, follow_configurations
from signal_svc.store import SignalStore
from signal_svc.windows import Windows
from tradepulse.runtime.bus import handle_batches
from tradepulse.runtime.codec import decode_candle
from tradepulse.runtime.service import Service, run
from tradepulse.strategies.files import StrategySettings

GROUP = "signal_svc"


async def compose(service: Service, settings: StrategySettings) -> None:
    """Build the service."""
    del settings
    active = ActiveConfigurations()
    for event in await service.bus.read_all(CONFIGURATIONS):
        active.on_configuration(event)
    following = service.bus.reader(CONFIGURATIONS)
    await following.start()
    service.background(follow_configurations(following, active), "configurations")

    windows = Windows()
    handler = CandleHandler(
        active,
        windows,
        SignalStore(service.pool),
        service.publisher,
        evaluated=Counter(
            "tradepulse_candles_evaluated_total", "Candles evaluated", registry=service.registry
        ),
        signals=Counter(
            "tradepulse_signals_total", "Signals", ["strategy"], registry=service.registry
        ),
        failures=Counter(
            "tradepulse_strategy_failures_total",
            "Evaluations in which a strategy raised; the candle passed without its signal",
            ["configuration"],
            registry=service.registry,
        ),
        event_time=Gauge(
            "tradepulse_event_time_seconds",
            "Close time of the last evaluated candle",
            registry=service.registry,
        ),
    )
    Gauge(
        "tradepulse_active_configurations", "Active configurations", registry=service.registry
    ).set_function(lambda: len(active))
    candles = service.bus.reader(
        CANDLES,
        group=GROUP,
        decoders={CANDLES.name: decode_candle},
        # another replica may go on with these series: what we remember of them is worth nothing
        on_revoked=windows.forget_all,
    )
    await candles.start()
    service.readiness["candle partitions"] = lambda: candles.assigned
    service.background(handle_batches(candles, handler.on_batch, windows.forget_all), "candles")


def main() -> None:
    """Run the service."""
    run("signal_svc", StrategySettings, compose)


if __name__ == "__main__":
    main()
