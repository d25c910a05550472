"""Models that come with the demo: rows of a real training on its candles, with where they are from.

`make run` shows them without torch. They were made by `make rl-demo`, which runs the demo, trains,
and keeps the rows in a file beside rl_svc; the file names commit, command and candles.
"""

import asyncio
import gzip
import hashlib
import importlib.util
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from tradepulse.cli.up.choice import OptionError
from tradepulse.library.demo import demo_candles
from tradepulse.research.model_registry import CHANNEL
from tradepulse.version import __version__

PORTFOLIO = "main"
COMMAND = "make rl-demo"
_TRAININGS = "select job_id from training_jobs where kind = 'policy' and status = 'SUCCEEDED'"
_ROWS = {
    "training_jobs": "select * from training_jobs where job_id = any($1) order by created_at",
    "rl_trainings": "select * from rl_trainings where job_id = any($1) order by job_id",
    "rl_looks": "select * from rl_looks where job_id = any($1) order by at",
    "rl_models": "select * from rl_models where job_id = any($1) order by created_at",
    "rl_model_events": "select e.* from rl_model_events e join rl_models m using (model_id) "
    "where m.job_id = any($1) order by e.id",
    "rl_training_points": "select * from rl_training_points where job_id = any($1) "
    "order by job_id, seed, step",
}
"""By table, in an order in which they can be stored: what a training leaves."""
_GENERATED = {"rl_model_events": {"id"}}
"""Columns that the database numbers itself."""


def demo_models() -> Path | None:
    """Give the file that comes with rl_svc; None where it is not installed."""
    spec = importlib.util.find_spec("rl_svc")
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(spec.submodule_search_locations[0]) / "data" / "demo_models.json.gz"
    return file if file.is_file() else None


async def load_models(pool: "asyncpg.Pool[asyncpg.Record]", file: Path, candles: Path) -> bool:
    """Store the models of a file where the database has none; say whether it did.

    Args:
        pool: the database.
        file: as `keep_models` writes it.
        candles: what is replayed.

    Raises:
        OptionError: the models were trained on other candles.
    """
    kept = await asyncio.to_thread(_read, file)
    told, found = kept["made_by"], await asyncio.to_thread(_sha256, candles)
    if told["candles_sha256"] != found:
        raise OptionError(
            f"{file} was trained on {told['candles']} of checksum {told['candles_sha256'][:12]}, "
            f"and {candles} has {found[:12]}: make it anew by `{COMMAND}`"
        )
    async with pool.acquire() as connection, connection.transaction():
        # nobody trains or imports in between
        await connection.execute("lock table rl_models in share row exclusive mode")
        if await connection.fetchval("select exists(select from rl_models)"):
            return False
        for table, rows in kept["rows"].items():
            if rows:
                names = ", ".join(rows[0])
                await connection.execute(
                    f"insert into {table} ({names}) select {names} "  # noqa: S608 - of our own file
                    f"from jsonb_populate_recordset(null::{table}, $1)",
                    rows,
                )
        await connection.execute("select pg_notify($1, $2)", CHANNEL, PORTFOLIO)
    return True


async def keep_models(url: str, file: Path, candles: Path, commit: str) -> dict[str, int]:
    """Write what the trainings of a database left to a file; give the rows of each table.

    Args:
        url: of the database.
        file: where to.
        candles: what it was trained on.
        commit: whose code did it.
    """
    connection = await asyncpg.connect(url)
    try:
        jobs = [row["job_id"] for row in await connection.fetch(_TRAININGS)]
        rows = {table: await _rows(connection, table, jobs) for table in _ROWS}
    finally:
        await connection.close()
    made_by = {
        "commit": commit,
        "command": COMMAND,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tradepulse": __version__,
        "candles": candles.name,
        "candles_sha256": _sha256(candles),
    }
    await asyncio.to_thread(_write, file, {"made_by": made_by, "rows": rows})
    return {table: len(found) for table, found in rows.items()}


async def _rows(
    connection: "asyncpg.Connection[Any]", table: str, jobs: list[UUID]
) -> list[dict[str, Any]]:
    found = await connection.fetchval(
        f"select coalesce(jsonb_agg(to_jsonb(t)), '[]')::text from ({_ROWS[table]}) t",  # noqa: S608 - constants
        jobs,
    )
    drops = _GENERATED.get(table, set())
    return [
        {name: value for name, value in row.items() if name not in drops}
        for row in json.loads(found)
    ]


def _write(file: Path, kept: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    written = json.dumps(kept, separators=(",", ":"))
    # without a time in it: the same rows are the same file
    file.write_bytes(gzip.compress(written.encode(), mtime=0))


def _read(file: Path) -> Any:
    return json.loads(gzip.decompress(file.read_bytes()))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> None:
    """Keep the trainings of a state folder: `STATE FILE COMMIT`."""
    from tradepulse.cli.connections import database_url

    state, file, commit = sys.argv[1:]
    kept = asyncio.run(keep_models(database_url(Path(state)), Path(file), demo_candles(), commit))
    print(f"{file}: " + ", ".join(f"{count} {table}" for table, count in kept.items()))


if __name__ == "__main__":
    main()
