"""The account of a backtest, as options: fills and their costs, limits, what the venue accepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.errors import values_refused
from tradepulse.cli.options import decimal_of
from tradepulse.trading import defaults

if TYPE_CHECKING:
    from tradepulse.trading.sizing import AccountRules, InstrumentRules


@dataclass(frozen=True, slots=True)
class Fills:
    """How orders are filled, and what that costs."""

    fee: Annotated[str, typer.Option(help="Taker fee, fraction of the notional.")] = str(
        defaults.FEE
    )
    maker_fee: Annotated[
        str | None, typer.Option(help="Fee of limits that rested and of targets; as --fee.")
    ] = None
    slippage: Annotated[
        float,
        typer.Option(min=0, max=0.5, help="Fraction by which market orders and stops worsen."),
    ] = defaults.SLIPPAGE
    impact: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.4,
            help="Added for an order as large as its candle's volume; share squared.",
        ),
    ] = defaults.IMPACT
    finer: Annotated[
        Path | None,
        typer.Option(help="File of lower-timeframe candles: which came first, stop or target?"),
    ] = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the account may hold, and what the venue accepts as an order."""

    margin: Annotated[bool, typer.Option("--margin", help="Allow selling short.")] = False
    max_symbol_notional: Annotated[str, typer.Option(help="Most in one symbol, of equity.")] = str(
        defaults.MAX_SYMBOL_NOTIONAL
    )
    max_total_notional: Annotated[str, typer.Option(help="Most in all, of equity.")] = str(
        defaults.MAX_TOTAL_NOTIONAL
    )
    max_open_positions: Annotated[int, typer.Option(min=1)] = defaults.MAX_OPEN_POSITIONS
    risk_per_trade: Annotated[
        str | None, typer.Option(help="Most that a stopped-out entry may lose, of equity.")
    ] = None

    markets_file: Annotated[
        Path | None,
        typer.Option(help="Ticks, steps and least amounts by instrument, JSON or CSV."),
    ] = None
    tick: Annotated[
        str | None,
        typer.Option(help="Tick of every symbol's prices; a price off it is refused."),
    ] = None
    step: Annotated[str | None, typer.Option(help="Step of every symbol's quantities.")] = None
    min_quantity: Annotated[str | None, typer.Option(help="Smallest order, base currency.")] = None
    min_notional: Annotated[
        str | None, typer.Option(help="Smallest order without its fee, quote currency.")
    ] = None

    def markets(self, instruments: Sequence[str]) -> "dict[str, InstrumentRules]":
        """Return the rules of each instrument: of the file, an option above it.

        Raises:
            CliError: an option is no number, or the file cannot be used.
        """
        from tradepulse.market_data.files.markets import read_markets
        from tradepulse.market_data.instrument_rules import market_rules, newest
        from tradepulse.runtime.clock import wall_clock

        by_hand: dict[str, Any] = {"allows_margin": self.margin}
        for name, option, text, positive in (
            ("price_tick", "--tick", self.tick, True),
            ("quantity_step", "--step", self.step, True),
            ("min_quantity", "--min-quantity", self.min_quantity, False),
            ("min_notional", "--min-notional", self.min_notional, False),
        ):
            if text is not None:
                by_hand[name] = decimal_of(option, text, positive=positive)
        with values_refused("--markets-file"):
            found = [] if self.markets_file is None else read_markets(self.markets_file)
        kept = newest(found, wall_clock())
        return market_rules(instruments, kept, dict.fromkeys(instruments, by_hand))


def account_rules(instruments: Sequence[str], fills: Fills, limits: Limits) -> "AccountRules":
    """Return the account's rules, as the options say.

    Raises:
        CliError: one cannot be.
    """
    from tradepulse.trading.sizing import AccountRules, RiskLimits

    def optional(option: str, text: str | None, **bounds: Any) -> Decimal | None:
        return None if text is None else decimal_of(option, text, **bounds)

    return AccountRules(
        fee=decimal_of("--fee", fills.fee, below=1),
        maker_fee=optional("--maker-fee", fills.maker_fee, below=1),
        slippage=fills.slippage,
        impact=fills.impact,
        limits=RiskLimits(
            decimal_of("--max-symbol-notional", limits.max_symbol_notional, positive=True),
            # more would need leverage, which there is not
            decimal_of("--max-total-notional", limits.max_total_notional, positive=True, to=1),
            limits.max_open_positions,
            optional("--risk-per-trade", limits.risk_per_trade, positive=True, below=1),
        ),
        markets=limits.markets(instruments),
    )
