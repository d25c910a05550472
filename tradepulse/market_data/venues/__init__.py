"""The four exchanges that candles and trades are asked of, through ccxt.

`rules` says what each can do, `client` asks one request, `history` pages through a range,
`pace` keeps all processes together within a venue's rate limit.
"""
