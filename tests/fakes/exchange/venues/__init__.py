"""The venues by name."""

from tests.fakes.exchange.venues.binanceus import BinanceUS
from tests.fakes.exchange.venues.bitstamp import Bitstamp
from tests.fakes.exchange.venues.coinbase import Coinbase
from tests.fakes.exchange.venues.kraken import Kraken
from tests.fakes.exchange.wire import Venue

VENUES: dict[str, type[Venue]] = {
    "binanceus": BinanceUS,
    "bitstamp": Bitstamp,
    "coinbase": Coinbase,
    "kraken": Kraken,
}
