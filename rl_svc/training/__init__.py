"""Trains portfolio policies. Needs the extra `rl-train`; nothing that decides live imports this."""
