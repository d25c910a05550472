"""Every `tradepulse` command that a page shows is one that the command line takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.exceptions import TyperException

from tradepulse.cli.main import COMMANDS, load

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = re.compile(rf"(?<![\w./-])tradepulse (?=(?:{'|'.join(COMMANDS)})\b)(?!up\.)")


def shown(text: str) -> Iterator[str]:
    """Yield the command lines of a page's blocks, each on one line."""
    for block in re.findall(r"(?ms)^```\w+[^\n]*\n(.*?)^```", text):
        for line in block.replace("\\\n", " ").splitlines():
            # the rest is what is answered; a line of cron has no prompt
            if not (line.startswith("$ ") or " * *" in line):
                continue
            for part in re.split(r" && | \| |; ", line):
                if found := OURS.search(part):
                    yield part[found.end() :]


def mentioned(text: str) -> Iterator[str]:
    """Yield the commands that a page's sentences name, often without all that they need."""
    sentences = re.sub(r"(?ms)^```.*?^```", "", text)
    for code in re.findall(r"`(tradepulse [^`]+)`", sentences):
        if found := OURS.match(" ".join(code.split())):
            yield " ".join(code.split())[found.end() :]


def refusal(line: str, *, whole: bool) -> str:
    """Return what the command line says against it; nothing where it takes it."""
    # a number that the reader has to put in
    name, *rest = shlex.split(re.sub(r"\bN\b", "1", line), comments=True)
    try:
        parse(load(name), name, rest)
    except TyperException as error:
        if whole or not str(error).startswith("Missing"):
            return f"{line}: {error}"
    return ""


def parse(command: Any, name: str, arguments: list[str], parent: Any = None) -> None:
    """Take a command's arguments apart, and those of the command below it, without running any."""
    context = command.make_context(name, arguments, parent=parent)
    rest = [*context._protected_args, *context.args]
    if isinstance(command, TyperGroup) and rest:
        below, found, rest = command.resolve_command(context, rest)
        parse(found, str(below), rest, context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_lets_one_type_is_taken(page: Path) -> None:
    text = page.read_text()
    said = [refusal(line, whole=True) for line in shown(text)]
    said += [refusal(line, whole=False) for line in mentioned(text)]
    assert [one for one in said if one] == []
