"""optimizer_svc."""
