"""rl_svc."""
