"""The live page and its API: reads the ledger, pushes what the topics say, decides nothing."""
