"""The rules of the instruments that the account trades: those that are kept, and those by hand."""

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import asyncpg

from tradepulse.market_data.instrument_rules import NOT_KNOWN, binding_rules, market_rules
from tradepulse.trading.sizing import InstrumentRules

log = logging.getLogger(__name__)


class Markets:
    """Learns the rules of each instrument once: what changes later counts from the next start.

    Args:
        pool: the database.
        by_hand: by instrument, fields of `InstrumentRules` that stand above what is kept.
    """

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", by_hand: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._pool = pool
        self._by_hand = by_hand
        self.rules: dict[str, InstrumentRules] = {}
        """By instrument, as far as they are learned; the account looks into this very mapping."""

    async def learn(self, instruments: Iterable[str]) -> None:
        """Learn the rules of instruments that are new, and say where nothing is known of one."""
        new = sorted(set(instruments) - self.rules.keys())
        if not new:
            return
        async with self._pool.acquire() as connection:
            kept = await binding_rules(connection, new)
        self.rules |= market_rules(new, kept, self._by_hand)
        for name in new:
            rules = self.rules[name]
            if not rules.is_known:
                log.warning(NOT_KNOWN, extra={"instrument": name})
                continue
            sources = [kept[name].source] if name in kept else []
            log.info(
                "rules of the venue",
                extra={
                    "instrument": name,
                    "source": ", ".join(sources + ["hand"] * (name in self._by_hand)),
                    "price_tick": _text(rules.price_tick),
                    "quantity_step": _text(rules.quantity_step),
                    "min_quantity": _text(rules.min_quantity),
                    "min_notional": _text(rules.min_notional),
                },
            )


def _text(value: Decimal | None) -> str:
    return "none" if value is None else f"{value:f}"
