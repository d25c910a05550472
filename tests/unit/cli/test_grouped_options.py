"""Options that travel together reach a command as one value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tradepulse.candles.series import SeriesFilter
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import OnlySeries, TimeRange, grouped

HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Costs:
    fee: Annotated[float, typer.Option(help="Of a fill.")]
    margin: Annotated[bool, typer.Option("--margin")] = False
    names: Annotated[list[str] | None, typer.Option("--name")] = None


def test_the_options_are_the_fields_in_their_order() -> None:
    told: list[object] = []

    @grouped
    def command(
        *,
        file: Annotated[Path, typer.Argument()],
        costs: Costs,
        first: Annotated[int, typer.Option(min=1)] = 3,
        times: TimeRange,
    ) -> None:
        """Tell what is given."""
        told.extend((file, costs, first, times))

    app = typer.Typer()
    app.command()(command)
    options = [one.name for one in typer.main.get_command(app).params]
    assert options[:7] == ["file", "fee", "margin", "names", "first", "start", "end"]
    runner = CliRunner()
    assert "Tell what is given." in runner.invoke(app, ["--help"]).output

    assert runner.invoke(app, ["x", "--fee", "0.5"]).exit_code == 0
    assert told == [Path("x"), Costs(0.5), 3, TimeRange()]
    told.clear()
    given = ["x", "--fee", "1", "--margin", "--name", "a", "--name", "b", "--to", "2020"]
    assert runner.invoke(app, given).exit_code == 0
    assert told == [Path("x"), Costs(1.0, True, ["a", "b"]), 3, TimeRange(end="2020")]
    assert runner.invoke(app, ["x"]).exit_code == 2, "a field without a default is required"
    assert runner.invoke(app, ["x", "--fee", "1", "--first", "0"]).exit_code == 2


def test_an_option_belongs_to_one_group() -> None:
    def command(*, costs: Costs, fee: float = 0.0) -> None:
        del costs, fee

    with pytest.raises(ValueError, match="duplicate parameter name: 'fee'"):
        grouped(command)


def test_times_and_series_are_read() -> None:
    assert TimeRange().read() == (None, None)
    assert TimeRange("1970-01-02", "1970-01-02T01:00").read() == (24 * HOUR, 25 * HOUR)
    with pytest.raises(CliError, match="--from 1970-01-02 is not before --to 1970-01-01"):
        TimeRange("1970-01-02", "1970-01-01").read()
    assert OnlySeries(symbol="BTC/USD").filter() == SeriesFilter(None, "BTC/USD", None)
