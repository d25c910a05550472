"""The command `policy` and `backtest --weights model:ID`, on a real database."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.candle_series import random_walk
from tests.command import invoke
from tests.made_models import made_model
from tradepulse.market_data.files import write_candles
from tradepulse.research.model_files import read_model, write_model
from tradepulse.runtime.db import connect

pytestmark = pytest.mark.integration
MODELS = [made_model(seed, max_weight=0.9, instruments=("test:BTC/USD",)) for seed in (1, 2)]
IDS = [str(model.model_id) for model in MODELS]


@pytest.fixture
def database(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Callable[[Any], Awaitable[Any]]], Any]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    invoke("migrate")
    for number, model in enumerate(MODELS):
        write_model(tmp_path / f"m{number}.npz", model)

    def on(work: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            connection = await connect(database_url)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(run())

    return on


def refused(*command: str) -> str:
    line = invoke(*command, status=1)[1]
    assert line.count("\n") == 1
    return line


def test_from_a_file_into_service_and_out_again(database: Any) -> None:
    assert "no models; `tradepulse policy train` makes one" in invoke("policy")[0]
    told, _ = invoke("policy", "import", "m0.npz")
    assert told == (
        f"model {IDS[0]} (m0) of portfolio main is stored: REFUSED, not evaluated: no gate was "
        "asked\n"
    )
    invoke("policy", "import", "m1.npz", "--name", "second")
    told, _ = invoke("policy", "list")
    assert [word in told for word in (IDS[0][:8], IDS[1][:8], "second")] == [True] * 3
    assert "no models" in invoke("policy", "list", "--portfolio", "other")[0]

    assert "goes to SHADOW only with a reason" in refused("policy", "promote", IDS[0][:8])
    told, _ = invoke("policy", "promote", IDS[0][:8], "--reason", "a try")
    assert told == f"model {IDS[0]} (m0) of portfolio main is in stage SHADOW\n"
    told, _ = invoke("policy", "promote", IDS[0], "--reason", "go")
    assert told.endswith("is in stage ACTIVE\n")
    told, _ = invoke("policy", "promote", IDS[1], "--to", "active", "--reason", "better")
    assert told.splitlines() == [
        f"model {IDS[1]} (second) of portfolio main is in stage ACTIVE",
        f"model {IDS[0]} (m0) of portfolio main was active and is retired",
    ]
    told, _ = invoke("policy", "show", IDS[1][:8])
    text = " ".join(told.split())
    for words in (
        f"id {IDS[1]}",
        "network 20-16-1, 2 seeds, mode signals",
        "instruments test:BTC/USD",
        "set aside: not evaluated: no gate was asked; it is not in SHADOW",
        "better (set aside: not evaluated",
        "a person",
    ):
        assert words in text, told
    assert "warning whether its figures still lie where they lay in training" in text
    assert "watch" not in text
    database(lambda c: c.execute(
        "insert into rl_model_days (model_id, day, begun, closes, evidence, bound) "
        "values ($1, '2018-01-01', 1, 24, 1.5, 100)", IDS[1]))  # fmt: skip
    text = " ".join(invoke("policy", "show", IDS[1])[0].split())
    assert "watch evidence of harm 1.50, retired at 100" in text
    told, _ = invoke("policy", "compare", IDS[0][:8], IDS[1])
    assert all(word in told for word in ("m0", "second", "RETIRED", "ACTIVE"))
    assert "m0 was not evaluated, so there is nothing to compare it by" in told
    told, _ = invoke("policy", "retire", IDS[1][:8], "--reason", "enough")
    assert told == f"model {IDS[1]} (second) of portfolio main is retired\n"


def test_what_cannot_be_is_one_line(database: Any) -> None:
    Path("bad.npz").write_bytes(Path("m0.npz").read_bytes()[:-50])
    invoke("policy", "import", "m0.npz")
    for command, words in (
        (("import", "m0.npz"), "is in the registry already: nothing was stored"),
        (("import", "bad.npz"), "model bad.npz: it is no model file, or cut short or damaged"),
        (("import", "no.npz"), "model no.npz: cannot be read: No such file"),
        (("show", "12345678"), "no model of an id that begins with '12345678'; see"),
        (("promote", IDS[0], "--to", "best"), "--to best: a model is promoted to SHADOW or ACTIVE"),
        (("retire", IDS[0], "--reason", " "), "a model is retired with a reason: give one"),
        (("compare", IDS[0], IDS[0][:8]), "are the same model; name two"),
        (("compare", IDS[0], "12345678"), "no model of an id that begins with '12345678'; see"),
        (("export", IDS[0], "no/m.npz"), "model no/m.npz: cannot be written: No such file"),
    ):
        assert words in refused("policy", *command)


def test_an_export_is_the_same_model(database: Any) -> None:
    invoke("policy", "import", "m0.npz")
    assert invoke("policy", "export", IDS[0][:8], "out.npz")[0] == "written to out.npz\n"
    assert read_model(Path("out.npz")).checksum == MODELS[0].checksum
    database(lambda c: c.execute("update rl_models set artifact = artifact || 'x'"))
    line = refused("policy", "export", IDS[0][:8], "damaged.npz")
    assert "was changed or damaged in the database: its checksum is not" in line
    assert not Path("damaged.npz").exists()


def test_a_backtest_by_a_registered_model_is_that_by_its_file(database: Any) -> None:
    write_candles(Path("c.parquet"), [random_walk(f"{n}/USD", 700, seed=i)
                                      for i, n in enumerate(("BTC", "ETH"))])  # fmt: skip
    invoke("policy", "import", "m0.npz")
    found = []
    for name in ("m0.npz", IDS[0], IDS[0][:8].upper()):
        invoke(
            *("backtest", "--candles", "c.parquet", "--strategy", "sma_cross", "--params"),
            *('{"fast": 5, "slow": 20}', "--weights", f"model:{name}", "--json", "o.json"),
        )
        found.append(json.loads(Path("o.json").read_text()))
    assert len(found[0]["trades"]) > 20
    assert found[0]["account"]["weights"] == f"ppo:{IDS[0][:8]}"
    assert [one["trades"] for one in found[1:]] == [found[0]["trades"]] * 2
    for name, words in (
        ("12345678", "--weights: no model of an id that begins with '12345678'"),
        ("./12345678", "--weights: model 12345678: cannot be read"),
    ):
        line = refused(
            *("backtest", "--candles", "c.parquet", "--strategy", "sma_cross"),
            *("--weights", f"model:{name}"),
        )
        assert words in line
