"""Gates that a configuration must pass before it may trade: is its backtest more than luck?"""
