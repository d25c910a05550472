"""Rows of the ledger as frames and files."""

from io import BytesIO
from uuid import UUID

import polars as pl

from tradepulse.ledger.frames import exact_frame, shown_frame, write_frame
from tradepulse.ledger.rows import EquityRow, TradeRow, WeightRow
from tradepulse.ledger.tables import TABLES
from tradepulse.library.runs import _EQUITY, _TRADES

CLOSE = 1_564_635_600_000
POINT = (CLOSE, "80252.940683439414559270", "104703.7416", "0", 1)


def test_what_a_system_traded_stands_beside_a_backtest() -> None:
    for row, schema in ((TradeRow, _TRADES), (EquityRow, _EQUITY)):
        frame = shown_frame(row, exact_frame(row, []))
        assert frame.schema == pl.Schema(schema)


def test_every_table_says_what_is_in_its_columns() -> None:
    for table in TABLES.values():
        assert list(table.row.kinds()) == list(table.row.model_fields)
        assert table.time.partition(".")[2] in table.row.kinds()


def test_no_digit_is_lost_before_somebody_computes() -> None:
    exact = exact_frame(EquityRow, [POINT])
    assert exact["cash"].to_list() == ["80252.940683439414559270"]
    assert shown_frame(EquityRow, exact)["cash"].to_list() == [80252.940683439414559270]
    written = BytesIO()
    write_frame(written, "csv", EquityRow, exact)
    assert written.getvalue().decode() == (
        "close_time,cash,equity,exposure,open_positions\n"
        "2019-08-01T05:00:00Z,80252.940683439414559270,104703.7416,0,1\n"
    )


def test_nulls_stay() -> None:
    model = UUID(int=1)
    rows = [(CLOSE, "x:A/B", 0.5, "p", 1.0, model, None), (CLOSE, None, None, "p", 1.0, None, "f")]
    frame = shown_frame(WeightRow, exact_frame(WeightRow, rows))
    assert frame["weight"].to_list() == [0.5, None]
    assert frame["model_id"].to_list() == [str(model), None]
    assert frame["fallback"].to_list() == [None, "f"]
