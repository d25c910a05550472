"""The one-machine default: a real Kafka broker and a real PostgreSQL as child processes."""
