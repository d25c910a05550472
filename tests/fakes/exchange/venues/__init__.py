"""The venues by name."""

from tests.fakes.exchange.venues.binanceus import BinanceUS
from tests.fakes.exchange.venues.bitstamp import Bitstamp
from tests.fakes.exchange.venues.coinbase import Coinbase
from tests.fakes.exchange.venues.kraken import Kraken

VENUES = {
    "binanceus": BinanceUS,
    "bitstamp": Bitstamp,
    "coinbase": Coinbase,
    "kraken": Kraken,
}
