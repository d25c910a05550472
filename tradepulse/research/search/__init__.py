"""A search of parameters: the candles it sees, the sets it tries, what they are worth."""
