"""What a reader does with a word that only a newer version knows.

In `TAKEN_AS_IT_IS` it takes the word, and decides nothing by it. In any other field of few words (a
timeframe, an action, a side, the type of an event) it leaves out the smallest part that the word is
about: the signal, the series of a feed, or the message.
"""

from contracts.events import ExitReason, OrderStatus, OrderType, Source, Stage

TAKEN_AS_IT_IS = {
    "source": Source,
    "stage": Stage,
    "order_type": OrderType,
    "status": OrderStatus,
    "exit_reason": ExitReason,
}
"""The fields whose word a reader need not understand, with those that it knows."""
