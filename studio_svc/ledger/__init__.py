"""Every row of the ledger, page by page, for programs."""
