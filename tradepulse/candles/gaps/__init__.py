"""What a hole in a series is, why it is there, what may mend it. Pure."""
