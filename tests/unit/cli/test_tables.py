"""Tables at 80 columns: ids copy, nothing is cut, what is left out is named."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from tradepulse.cli.errors import CliError
from tradepulse.cli.tables import Column, Output, fitting, id_column, show, write_json

ID = UUID("3166a7b9-0000-4000-8000-000000000001")


@dataclass(frozen=True)
class Row:
    number: UUID = ID
    what: str = "sma_cross\nfast=20\nslow=100"
    profit: Decimal = Decimal("-12.50")
    reason: str = "the gates refused it because it earned less than holding did"


COLUMNS = (
    id_column("id", lambda row: row.number),
    Column[Row]("strategy,\nparameters", lambda row: row.what),
    Column[Row]("profit", lambda row: f"{row.profit:+.1f}", is_number=True),
    Column[Row]("verdict", lambda row: row.reason, 1, least=24),
)


def drawn(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: int,
    rows: tuple[Row, ...] = (Row(),),
    *,
    wide: bool = False,
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    show(COLUMNS, rows, wide=wide)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_at_80_columns_all_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drawn(monkeypatch, capsys, 80) == [
        "          strategy,",
        "id        parameters  profit  verdict",
        "3166a7b9  sma_cross    -12.5  the gates refused it because it earned less than",
        "          fast=20             holding did",
        "          slow=100",
    ]


def test_what_does_not_fit_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drawn(monkeypatch, capsys, 40) == [
        "          strategy,",
        "id        parameters  profit",
        "3166a7b9  sma_cross    -12.5",
        "          fast=20",
        "          slow=100",
        "--wide also shows verdict",
    ]


def test_where_nothing_fits_rows_are_blocks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "36")
    show(
        [*COLUMNS[:1], Column[Row]("the venue's\nname", lambda _: "kraken BTC/USD 30m since noon")],
        [Row()] * 2,
    )
    block = [
        "id                3166a7b9",
        "the venue's name  kraken BTC/USD 30m",
        "                  since noon",
    ]
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [*block, "", *block]


def test_wide_shows_ids_whole_and_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = drawn(monkeypatch, capsys, 40, wide=True)
    assert f"{ID}  sma_cross    -12.5  {Row().reason}" in lines


def test_the_least_needed_is_left_out_first() -> None:
    columns = [Column[Row](str(n), str, rank) for n, rank in enumerate((0, 2, 1, 2))]
    assert fitting(columns, [10, 10, 10, 10], 46) == [0, 1, 2, 3]
    assert fitting(columns, [10, 10, 10, 10], 45) == [0, 1, 2]
    assert fitting(columns, [10, 10, 10, 10], 33) == [0, 2]
    assert fitting(columns, [10, 10, 10, 10], 10) == [0]
    assert fitting(columns, [10, 10, 10, 10], 9) is None


def put(output: Output, rows: tuple[Row, ...], capsys: pytest.CaptureFixture[str]) -> str:
    output.put(COLUMNS, rows, lambda row: {"id": row.number, "profit": row.profit}, "none yet")
    return capsys.readouterr().out


def test_json_stands_for_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(put(Output(json=Path("-")), (Row(),), capsys)) == [
        {"id": str(ID), "profit": "-12.50"}
    ]
    assert put(Output(json=Path("-")), (), capsys) == "[]\n"
    assert put(Output(), (), capsys) == "none yet\n"
    file = tmp_path / "rows.json"
    told = put(Output(json=file), (Row(),), capsys)
    assert f"written to {file}" in told
    assert "3166a7b9" in told
    assert json.loads(file.read_text())[0]["profit"] == "-12.50"
    assert list(tmp_path.iterdir()) == [file]


def test_what_json_is_written_of(tmp_path: Path) -> None:
    file = tmp_path / "o.json"
    write_json(file, {"at": datetime(1970, 1, 1, 0, 1, tzinfo=UTC), "row": Row()})
    assert json.loads(file.read_text()) == {
        "at": 60_000,
        "row": {
            "number": str(ID),
            "what": Row().what,
            "profit": "-12.50",
            "reason": Row().reason,
        },
    }
    with pytest.raises(TypeError, match=r"Path in JSON$"):
        write_json(file, file)
    with pytest.raises(CliError, match=r"none/o\.json: cannot be written: No such file"):
        write_json(tmp_path / "none" / "o.json", [])
