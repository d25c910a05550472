"""The ledger's rows as the commands, the API and the library give them, from a real database."""

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest
from starlette.types import ASGIApp
from studio_page import TOKEN, Studio
from studio_rows import HALF_HOUR, START, Seeded, configuration_id

from tests.command import invoke
from tradepulse.embedded.addresses import NoSystemError
from tradepulse.library.live import Live, connect
from tradepulse.runtime.refusals import NotFoundError, RefusedError

BTC = str(configuration_id("BTC/USD", "sma_cross"))
MORE = "--last N shows more, --csv/--json/--parquet FILE write all"
Ask = Callable[..., Awaitable[str]]


@pytest.fixture
def ask(studio: Studio, seeded: Seeded, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run a command on the seeded database; return what it writes."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    async def asked(*arguments: object, status: int = 0, columns: int = 80) -> str:
        told = await asyncio.to_thread(invoke, *arguments, status=status, columns=columns)
        return told[1] if status else told[0]

    return asked


class Bridge(httpx.BaseTransport):
    """Brings what a synchronous client asks to the application in the test's loop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._loop = app, asyncio.get_running_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await httpx.ASGITransport(self._app).handle_async_request(request)
        body = b"".join([part async for part in answer.aiter_raw()])
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


def live_of(studio: Studio, token: str = TOKEN) -> Live:
    """Return the library's connection, which asks for seven rows at a time."""
    headers = {"authorization": f"Bearer {token}"}
    client = httpx.Client(transport=Bridge(studio.app), base_url="http://page", headers=headers)
    return Live(client, page=7)


TABLES = {
    "trades": f"""\
closed (UTC)      config    strategy   symbol   side   by           profit
2018-03-07 22:00  b1c86ea2  sma_cross  ETH/USD  long   take_profit  -51.06
2018-03-08 21:00  3bcd4602  sma_cross  BTC/USD  short  signal        48.83
--wide also shows quantity, entry, exit, fees
newest 2 of 13; {MORE}
""",
    "orders": f"""\
decided (UTC)     order     config    symbol   side  type    filled at  status
2018-03-08 03:30  b25d5313  8b7be35d  LTC/USD  buy   market             REFUSED
2018-03-08 15:00  50f3798d  3bcd4602  BTC/USD  sell  market   10077.05  FILLED
2018-03-09 02:30  f6eb7a75  b1c86ea2  ETH/USD  buy   market     838.25  FILLED
--wide also shows strategy, quantity, notional, fee
1 REFUSED: notional 2.10 is below the market's minimum of 10
newest 3 of 17; {MORE}
""",
    "equity": f"""\
close (UTC)         equity      cash      held  positions
2018-03-09 08:00  9,789.99  7,802.55  2,000.00          1
newest 1 of 400; {MORE}
""",
    "weights": """\
close (UTC)       instrument      weight  policy              in place of it
2018-03-09 08:00  kraken:BTC/USD  0.4600  inverse_volatility
2018-03-09 08:00  kraken:ETH/USD  0.3100  inverse_volatility
2018-03-09 08:00  kraken:LTC/USD  0.1800  inverse_volatility
--wide also shows budget, model
""",
    "signals": f"""\
decided (UTC)     signal    config    symbol   action           price       stop
2018-03-08 15:00  641cae0e  3bcd4602  BTC/USD  enter_short  10077.055  9774.7432
2018-03-09 02:30  53840fad  b1c86ea2  ETH/USD  enter_long     838.247  813.09959
--wide also shows strategy, target, sure
newest 2 of 17; {MORE}
""",
}
"""At 80 columns, as they are printed."""
SHOWN = {"trades": 2, "orders": 3, "equity": 1, "weights": 9, "signals": 2}


async def test_a_table_fits_80_columns_and_a_file_has_all(ask: Ask, tmp_path: Path) -> None:
    for name, text in TABLES.items():
        told = await ask(name, "--last", SHOWN[name])
        assert [line.rstrip() for line in told.splitlines()] == text.splitlines()
        assert max(map(len, text.splitlines())) <= 80
        wide = await ask(name, "--last", 1, "--wide")
        rows = json.loads(await ask(name, "--json", "-"))
        assert wide.split("\n")[0].split() == list(rows[0])
        assert all(str(value) in wide for key, value in rows[-1].items() if key.endswith("_id")
                   and value is not None)  # fmt: skip
        told = await ask(name, "--csv", tmp_path / "r.csv", "--parquet", tmp_path / "r.parquet")
        count = f"{len(rows)} {name} written to {tmp_path}"
        assert told == f"{count}/r.csv\n{count}/r.parquet\n"
        with (tmp_path / "r.csv").open() as file:
            written = list(csv.DictReader(file))
        frame = pl.read_parquet(tmp_path / "r.parquet").to_dicts()
        assert [list(one) for one in (rows[0], written[0], frame[0])] == [list(rows[0])] * 3
        assert len(rows) == len(written) == len(frame)
        for in_json, in_csv, in_parquet in zip(rows, written, frame, strict=True):
            for key, value in in_json.items():
                if key.endswith(("_time", "_at")) and value is not None:
                    at = datetime.fromtimestamp(value / 1000, tz=UTC)
                    assert (in_csv[key], in_parquet[key]) == (f"{at:%Y-%m-%dT%H:%M:%SZ}", at)
                elif isinstance(value, str) and isinstance(in_parquet[key], float):
                    assert (in_csv[key], in_parquet[key]) == (value, float(value))
                else:
                    assert in_parquet[key] == value
    assert [one["profit"] for one in json.loads(await ask("trades", "--json", "-"))][-1] == "48.83"


async def test_what_is_asked_for_and_nothing_else(ask: Ask, studio: Studio) -> None:
    async def rows(*arguments: object) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(await ask(*arguments, "--json", "-"))
        return found

    every = await rows("trades")
    assert len(every) == 13
    mine = await rows("trades", "--configuration", BTC[:4].upper())
    assert mine == [one for one in every if one["configuration_id"] == BTC]
    two = await rows("trades", "--symbol", "ETH/USD,LTC/USD")
    assert two == [one for one in every if one["symbol"] != "BTC/USD"]
    # from on, before to
    times = [int(str(one["exit_time"])) for one in every]
    some = await rows("trades", "--from", times[2], "--to", times[5])
    assert some == every[2:5]
    orders = await rows("orders", "--configuration", BTC, "--to", "2018-03-03")
    assert {one["configuration_id"] for one in orders} == {BTC}
    assert len(await rows("equity", "--from", START + 398 * HALF_HOUR)) == 3
    assert len(await rows("signals", "--symbol", "BTC/USD")) == 6
    [only] = await rows("weights", "--symbol", "ETH/USD")
    assert (only["instrument"], only["weight"]) == ("kraken:ETH/USD", 0.31)
    # a close without weights, and instruments that had no candle, are told
    await studio.pool.execute(
        "insert into portfolio_weights values ('main', '2018-03-10', 'learned', '{}', $1), "
        "('main', '2018-03-11', 'learned', '{}', '[]')",
        ["kraken:BTC/USD"],
    )
    told = [(one["instrument"], one["weight"]) for one in await rows("weights")][3:]
    assert told == [("kraken:BTC/USD", None), (None, None)]
    assert await rows("trades", "--account", "other") == []
    assert await ask("trades", "--account", "other") == "no trades of what is asked for\n"
    for start, which in (("e", "no configuration"), ("", "several configurations")):
        line = await ask("trades", "--configuration", start, status=1)
        assert line.startswith(f"tradepulse trades: {which}")
        assert line.endswith(f"of an id that begins with '{start}'; see `tradepulse configs`\n")
    line = await ask("equity", "--csv", "no/such.csv", status=1)
    assert line == (
        "tradepulse equity: no/such.csv: cannot be written: No such file or directory\n"
    )


CALLS: tuple[tuple[str, dict[str, object], tuple[object, ...]], ...] = (
    ("trades", {}, ()),
    ("trades", {"configuration": BTC[:4]}, ("--configuration", BTC[:4])),
    ("orders", {"symbol": ["ETH/USD", "LTC/USD"]}, ("--symbol", "ETH/USD,LTC/USD")),
    ("orders", {"start": "2018-03-02"}, ("--from", "2018-03-02")),
    ("equity", {"end": START + 50 * HALF_HOUR}, ("--to", START + 50 * HALF_HOUR)),
    ("weights", {"symbol": "ETH/USD"}, ("--symbol", "ETH/USD")),
    ("signals", {"start": datetime(2018, 3, 4, tzinfo=UTC)}, ("--from", "2018-03-04")),
    ("signals", {"symbol": "DOGE/USD"}, ("--symbol", "DOGE/USD")),
)


async def test_a_call_gives_what_its_command_writes(
    ask: Ask, studio: Studio, tmp_path: Path
) -> None:
    counts = []
    with live_of(studio) as live:
        for name, how, options in CALLS:
            frame = await asyncio.to_thread(getattr(live, name), **how)
            file = tmp_path / "r.parquet"
            await ask(name, *options, "--parquet", file)
            assert frame.equals(pl.read_parquet(file)), (name, how)
            assert frame.schema == pl.read_parquet_schema(file)
            counts.append(len(frame))
    assert counts == [13, 5, 11, 15, 49, 1, 11, 0]


async def test_a_running_system_from_python(ask: Ask, studio: Studio) -> None:
    listed = json.loads(await ask("configs", "--json", "-"))
    mine, wrong = live_of(studio), live_of(studio, "wrong")

    def used() -> None:
        with mine as live:
            found = live.configurations()
            assert len(found) == 6
            # in another order, and the command has more of each
            same = [name for name in found.columns if name in listed[0] and name != "params"]
            assert {"configuration_id", "strategy", "stage", "is_active", "share"} <= set(same)
            by_id = sorted(listed, key=lambda one: str(one["configuration_id"]))
            told = found.sort("configuration_id").to_dicts()
            assert [[one[name] for name in same] for one in told] == [
                [one[name] for name in same] for one in by_id
            ]
            assert found["is_active"].sum() == 5
            assert found.unnest("out_of_sample")["sharpe"].is_not_null().all()
            job = live.jobs.submit(
                strategies=["sma_cross"], exchange="kraken", symbols=["BTC/USD"], timeframe="30m",
                start="2018-03-01", trials=5,
            )  # fmt: skip
            assert (job["status"], job["spec"]["start"]) == ("QUEUED", START)
            assert live.jobs.cancel(job["job_id"])["status"] == "CANCELLED"
            jobs = live.jobs.list()
            assert jobs.filter(pl.col("job_id") == job["job_id"])["status"].to_list() == [
                "CANCELLED"
            ]
            assert jobs.schema["created_at"] == pl.Datetime("ms", "UTC")
            with pytest.raises(NotFoundError, match="no configuration of an id that begins with"):
                live.trades(configuration="ffff")
            with pytest.raises(RefusedError, match="strategy"):
                live.jobs.submit(strategies=["no"], exchange="x", symbols=["y"], timeframe="1h")
        with wrong as live, pytest.raises(RefusedError, match="wrong token"):
            live.equity()

    await asyncio.to_thread(used)
    with pytest.raises(NoSystemError, match="give token=, or the whole address"):
        connect(address="http://127.0.0.1:1")
    with (
        connect(address="http://127.0.0.1:1/?token=abc") as live,
        pytest.raises(NoSystemError, match="no system answers at http"),
    ):
        live.trades()
