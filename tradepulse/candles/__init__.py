"""What a candle is: timeframes, series, checks, candles out of trades. Pure."""
