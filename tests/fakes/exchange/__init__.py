"""A fake exchange that is a real server: see README.md here."""

from tests.fakes.exchange.instruments import DAY, HOUR, MINUTE, WEEK, Instrument
from tests.fakes.exchange.orders import Refusal
from tests.fakes.exchange.server import FakeExchange
from tests.fakes.exchange.tape import Candle, Tape, Trade

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "WEEK",
    "Candle",
    "FakeExchange",
    "Instrument",
    "Refusal",
    "Tape",
    "Trade",
]
