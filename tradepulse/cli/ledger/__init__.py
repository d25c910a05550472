"""`trades`, `orders`, `equity`, `weights`, `signals`: the ledger, as tables and as files."""
