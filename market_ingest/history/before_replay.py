"""Store what came before the replay, once: `python -m market_ingest.history.before_replay`.

Reads REPLAY_FILE, REPLAY_SYMBOLS and REPLAY_FROM, stores the candles before REPLAY_FROM with the
source `import`, and ends. Running it again changes nothing.
"""

import asyncio
import logging
import sys

from market_ingest.settings import HistorySettings
from tradepulse.market_data.files import CandleFileError, read_candles
from tradepulse.market_data.store import CandleConflictError, store_candles
from tradepulse.runtime.db import DatabaseUnavailableError, connect
from tradepulse.runtime.settings import load_settings
from tradepulse.runtime.telemetry import configure_logging

log = logging.getLogger("market_ingest.history.before_replay")


async def store_history(settings: HistorySettings) -> int:
    """Store the candles before the replay; return how many rows changed.

    Raises:
        CandleFileError: the file, or a symbol asked of it, is refused.
        CandleConflictError: the database holds better candles that differ; nothing was stored.
        DatabaseUnavailableError: there is no database.
    """
    if settings.replay_from is None:
        return 0
    # an empty past is no error: a replay from the first candle has none
    series = read_candles(settings.replay_file, settings.replay_symbols)
    past = [part for s in series if len(part := s.between(None, settings.replay_from))]
    connection = await connect(settings.database_url)
    try:
        return await store_candles(connection, past, "import")
    finally:
        await connection.close()


def main() -> None:
    """Run once; exit with 0, 1 with one line, or 2 for wrong settings."""
    settings = load_settings(HistorySettings)
    configure_logging("market_ingest", settings.log_level, settings.log_format)
    try:
        stored = asyncio.run(store_history(settings))
    except (CandleFileError, CandleConflictError, DatabaseUnavailableError) as error:
        log.critical(str(error))
        sys.exit(1)
    log.info("history stored", extra={"candles": stored})


if __name__ == "__main__":
    main()
