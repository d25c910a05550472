"""Every command that talks to a system takes the folder of the one that is meant."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tradepulse.cli.connections import STATE, database_url, kafka_address
from tradepulse.cli.errors import CliError
from tradepulse.cli.main import COMMANDS, load

WITHOUT = {"new", "strategies new", "strategies check"}
"""These work on files alone."""


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each command that does something, with its whole name."""
    for below, one in getattr(command, "commands", {}).items():
        yield from leaves(one, f"{name} {below}")
    if not hasattr(command, "commands"):
        yield name, command


def test_every_command_takes_a_state_folder_with_the_same_default() -> None:
    found = {
        name: [option.default for option in command.params if "--state" in option.opts]
        for top in COMMANDS
        for name, command in leaves(load(top), top)
    }
    assert len(found) > 40
    lacking = {name: defaults for name, defaults in found.items() if defaults != [STATE]}
    assert lacking.keys() <= WITHOUT


@pytest.mark.parametrize(
    ("ask", "what", "variable"),
    [
        (database_url, "database", "DATABASE_URL"),
        (kafka_address, "broker", "KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_a_run_on_stores_of_its_environment_is_told_from_one_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Any, what: str, variable: str
) -> None:
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("tradepulse.embedded.state.lock_holder", lambda _: "12")
    with pytest.raises(CliError) as refused:
        ask(tmp_path)
    assert str(refused.value) == (
        f"`tradepulse up` runs in {tmp_path} but keeps no {what} there: set "
        f"{variable} as it is set for that run, or try again in a moment if it has just begun"
    )
