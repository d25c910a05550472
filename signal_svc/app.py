"""signal_svc: candles in, one evaluation per candle out."""

from prometheus_client import Gauge

from contracts.topics import CANDLES, CONFIGURATIONS, EVALUATIONS
from signal_svc.active import ActiveConfigurations
from signal_svc.handlers import CandleHandler, SignalMeters
from signal_svc.references import References
from signal_svc.settings import SignalSettings
from signal_svc.store import SIGNALS, SignalStore
from signal_svc.windows import Windows
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.codec import candle_decoder
from tradepulse.runtime.service import Application, Service, run


def declare(service: Service, settings: SignalSettings) -> None:
    """Declare what the service reads and publishes."""
    active = ActiveConfigurations()
    windows = Windows()
    store = SignalStore(service.pool)
    handler = CandleHandler(
        active,
        windows,
        store,
        service.publisher,
        SignalMeters(service.registry),
        References(store, settings.reference_grace_ms / 1000),
    )
    Gauge(
        "tradepulse_active_configurations", "Active configurations", registry=service.registry
    ).set_function(lambda: len(active))

    async def recover() -> None:
        # the topic tells of changes; that it holds every one that ever was is not relied upon, for
        # a candle that is evaluated without its configurations is never evaluated again
        await active.take_in(await store.configurations())

    service.on_startup(recover)
    service.publishes(EVALUATIONS)
    service.follows(CONFIGURATIONS, active.on_configurations)
    # after a candle from the future every real one would be taken for a repeat
    decode = candle_decoder(wall_clock, settings.clock_tolerance_s * 1000)
    candles = service.shares(CANDLES, handler.on_candles, windows.forget_all, decode=decode)
    service.retains(SIGNALS)
    service.readiness["candle partitions"] = lambda: candles.is_assigned


APPLICATION = Application("signal_svc", SignalSettings, declare)


def main() -> None:
    """Run the service."""
    run(APPLICATION)


if __name__ == "__main__":
    main()
