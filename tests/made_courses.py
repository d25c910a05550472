"""A course in which one instrument's trades gain and the other's lose."""

from decimal import Decimal

import numpy as np

from rl_svc.training.course import Course, course_of
from rl_svc.training.env import EnvSettings
from tests.made_markets import planted
from tradepulse.trading.backtest import Prepared
from tradepulse.trading.sizing import AccountRules, RiskLimits

RULES = AccountRules(limits=RiskLimits(max_symbol_notional=Decimal(1)), slippage=0)
MAX_WEIGHT = 0.9


def planted_ready(cycles: int = 400) -> Prepared:
    return planted(cycles, np.random.default_rng(1))


def planted_course(cycles: int = 400, env: EnvSettings | None = None) -> Course:
    """Return one of 4 closes a cycle: three fifths to train on, the last fifth to validate."""
    closes = 4 * cycles
    spans = ((0, closes * 3 // 5), (closes * 4 // 5, closes))
    return course_of(
        planted_ready(cycles), {}, RULES, spans, "1h",
        max_weight=MAX_WEIGHT, env=env or EnvSettings(days=(5, 10), drops_configuration=0.0),
    )  # fmt: skip
