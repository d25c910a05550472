"""What `tradepulse up --live` trades: series that venues publish now."""

from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg

from tradepulse.cli.up.choice import OptionError
from tradepulse.cli.up.figures import Figures
from tradepulse.cli.up.own import Traded, put_on_paper
from tradepulse.market_data.subscriptions import (
    Subscription,
    SubscriptionError,
    check_names,
    not_followed,
    subscribe,
)
from tradepulse.market_data.venues.errors import VenueRefusedError
from tradepulse.market_data.venues.rules import rules_of
from tradepulse.research.jobs import JobSpec
from tradepulse.runtime.clock import wall_clock

Series = tuple[tuple[str, str, str], ...]
"""(exchange, symbol, timeframe) of each."""


@dataclass(frozen=True, slots=True)
class Live:
    """The market as it is; see `Replay` for what a run asks of it.

    Attributes:
        series: (exchange, symbol, timeframe) to subscribe to at the start; those that the database
            knows from before stay.
        start: when the run began, epoch ms.
        own: strategies that trade the series by their defaults.
        now: tells the time, epoch ms.
    """

    series: Series
    start: int
    own: Traded = field(default_factory=Traded)
    now: Callable[[], int] = wall_clock
    clock = "wall"
    jobs: tuple[JobSpec, ...] = ()
    past = 0

    def environment(self) -> dict[str, str]:
        """Give market_ingest's variables."""
        return {"FEED_MODE": "live"}

    async def prepare(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Subscribe to what was asked for, and let the user's own strategies trade it."""
        async with pool.acquire() as connection:
            for one in self.series:
                await subscribe(connection, *one)
        await put_on_paper(
            pool, self.own.names, [Subscription(*one, None, None) for one in self.series]
        )

    def phase(self, figures: Figures) -> str:
        """Say what is going on, and what is not although it should."""
        asked = figures.subscriptions
        if not asked:
            return "Nothing is followed: `tradepulse subscriptions add kraken:BTC/USD:5m` does it"
        if trouble := not_followed(asked, self.now()):
            return trouble
        if all(one.published_until is None for one in asked):
            return "Asking the venues"
        return "Following the market"


def series_of(text: str) -> Series:
    """Read `--live`: series separated by commas; an empty text is none.

    Raises:
        OptionError: one is no series, or of an unknown venue or timeframe.
    """
    found = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        exchange, _, rest = part.partition(":")
        symbol, _, timeframe = rest.partition(":")
        if not timeframe:
            raise OptionError(
                f"--live {part}: is no series; write exchange:symbol:timeframe, as in "
                "kraken:BTC/USD:5m, several separated by commas"
            )
        try:
            rules_of(exchange)
            check_names(symbol, timeframe)
        except (VenueRefusedError, SubscriptionError) as error:
            raise OptionError(f"--live {part}: {error}") from error
        found.append((exchange, symbol, timeframe))
    return tuple(dict.fromkeys(found))
