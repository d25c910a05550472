"""Trading rules: pure functions and values. No I/O, no asyncio, no clock."""
