"""The account of a backtest, a sweep, a validation: what may be said of it, and what it becomes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from tradepulse.library.amounts import Amount, amount
from tradepulse.market_data.instrument_rules import market_rules, newest
from tradepulse.runtime.clock import wall_clock
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits


class Account(TypedDict, total=False):
    """What may be said of an account; what is not is as `AccountRules` and `RiskLimits` have it.

    Attributes:
        fee: taker fee, fraction of the notional.
        maker_fee: of limits that rested and of targets; as `fee` where it is not said.
        slippage: fraction by which market orders and stops worsen.
        impact: added to it for an order as large as its candle's volume.
        max_symbol_notional: most in one symbol, fraction of the equity.
        max_total_notional: most in all, fraction of the equity, at most 1.
        max_open_positions: positions and waiting entries.
        risk_per_trade: most that a stopped-out entry may lose, fraction of the equity.
        margin: whether it may sell short.
        markets: what the venue accepts: a markets file, as `tradepulse rules list --out` writes
            it, or rules by `exchange:symbol`.
    """

    fee: Amount
    maker_fee: Amount | None
    slippage: float
    impact: float
    max_symbol_notional: Amount
    max_total_notional: Amount
    max_open_positions: int
    risk_per_trade: Amount | None
    margin: bool
    markets: Path | str | Mapping[str, InstrumentRules]


_RATES = ("fee", "maker_fee")
_BOUNDS = ("max_symbol_notional", "max_total_notional", "risk_per_trade")


def account_rules(instruments: Iterable[str], account: Mapping[str, Any]) -> AccountRules:
    """Return the rules of an account that trades these instruments.

    Args:
        instruments: `exchange:symbol` each.
        account: as `Account`; whatever else was given is refused here.

    Raises:
        ValueError: one cannot be.
        TypeError: something else is said than `Account` knows.
    """
    if unknown := sorted(account.keys() - Account.__annotations__.keys()):
        known = ", ".join(Account.__annotations__)
        raise TypeError(f"there is no argument {unknown[0]}; of an account these are: {known}")
    said: dict[str, Any] = {n: v for n, v in account.items() if v is not None}
    costs: dict[str, Any] = {n: amount(n, said[n], below=1) for n in _RATES if n in said}
    costs |= {name: said[name] for name in ("slippage", "impact") if name in said}
    limits: dict[str, Any] = {
        name: amount(name, said[name], positive=True, to=_MOST.get(name))
        for name in _BOUNDS
        if name in said
    }
    if "max_open_positions" in said:
        limits["max_open_positions"] = said["max_open_positions"]
    markets = _markets(list(instruments), said.get("markets", {}), margin=said.get("margin"))
    return AccountRules(**costs, limits=RiskLimits(**limits), markets=markets)


_MOST = {"max_total_notional": 1}
"""More would need leverage, which there is not."""


def _markets(
    instruments: list[str],
    told: Path | str | Mapping[str, InstrumentRules],
    *,
    margin: bool | None,
) -> dict[str, InstrumentRules]:
    from tradepulse.market_data.files.markets import read_markets  # noqa: PLC0415 - polars

    by_hand = {} if margin is None else {"allows_margin": margin}
    if isinstance(told, Mapping):
        kept, own = {}, dict(told)
    else:
        kept, own = newest(read_markets(Path(told)), wall_clock()), {}
    found = market_rules(instruments, kept, dict.fromkeys(instruments, by_hand))
    return found | {name: rules for name, rules in own.items() if name in found}
