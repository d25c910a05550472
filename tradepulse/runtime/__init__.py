"""The frame of a service: settings, messaging, outbox, ownership, database, telemetry."""
