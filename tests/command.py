"""Runs the command `tradepulse` in the process of a test."""

from typer.testing import CliRunner

from tradepulse.cli.main import app


def invoke(*arguments: object, status: int = 0, columns: int = 300) -> tuple[str, str]:
    """Run the command, expect its exit status, and return what it writes to stdout and stderr.

    It is wide by default, so that no table is cut.
    """
    runner = CliRunner(env={"COLUMNS": str(columns)})
    result = runner.invoke(app, [str(one) for one in arguments])
    assert result.exit_code == status, result.output
    return result.stdout, result.stderr
