"""What happened on the markets."""
