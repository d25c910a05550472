"""The SQL of the portfolio's weights."""

WEIGHTS = """
select portfolio, close_time, policy, weights, missing, budget, model_id::text, fallback
from portfolio_weights
where portfolio = $1 order by close_time desc limit 1
"""
