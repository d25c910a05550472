"""Who may see the page and use its API."""
