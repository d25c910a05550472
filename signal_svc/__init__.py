"""signal_svc."""
