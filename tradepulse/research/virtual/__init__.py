"""Virtual accounts: many accounts that follow the same signals with other weights, at once."""
