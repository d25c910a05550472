"""What was signalled, ordered, is held and was traded."""
