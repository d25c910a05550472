"""`status`: what runs, whether all of it is ready, how the account stands."""
