"""What an account is told where nobody says otherwise: of fees, slippage, limits, cash.

Every service, command and page and the library take it from here, most of them as the defaults of
`AccountRules` and `RiskLimits`; whoever only shows it need not import those.
"""

from decimal import Decimal

CASH = Decimal(100_000)
"""Quote currency."""
FEE = Decimal("0.001")
"""Taker fee, fraction of the notional; the maker's is the same."""
SLIPPAGE = 0.0005
"""Fraction by which the price of a market order or stop is worsened."""
IMPACT = 0.0
"""Added to it for an order as large as its candle's volume."""
MAX_SYMBOL_NOTIONAL = Decimal("0.5")
"""Most in one instrument, of the equity."""
MAX_TOTAL_NOTIONAL = Decimal(1)
"""Most in all, of the equity; more would need leverage, which there is not."""
MAX_OPEN_POSITIONS = 50
