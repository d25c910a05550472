"""Events, topic names and keys: all that the services know of one another."""
