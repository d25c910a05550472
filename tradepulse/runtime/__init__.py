"""Every line of shared I/O: settings, database, bus, service frame, telemetry."""
