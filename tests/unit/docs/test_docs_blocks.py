"""Every code block of the pages is run, asked or parsed by a test, or says why it is not."""

from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT, RUN_BY, Block, UnclassifiedError, blocks, check, typed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_is_tried_or_says_why_not(page: Path) -> None:
    said = []
    for block in blocks(page):
        try:
            check(block)
        except UnclassifiedError as error:
            said.append(str(error))
        except ValueError as error:
            said.append(f"{block}: {error}")
    assert not said, "\n".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_with_commands_says_first_how_they_are_typed(page: Path) -> None:
    ours = [
        block.line
        for block in blocks(page)
        if block.language == "console" and any(one.is_ours for one in typed(block))
    ]
    if ours:
        said = page.read_text().partition("source .venv/bin/activate")[0]
        line = said.count("\n") + 1
        # the two entries of the house say it beside their only command
        assert line < min(ours) + 3 if page.name in {"README.md", "index.md"} else line < 8


def test_what_a_test_of_its_own_runs_is_named_there() -> None:
    for command, test in RUN_BY.items():
        text = (ROOT / test).read_text()
        assert all(f'"{word}"' in text for word in command.split()), command


def test_what_is_not_tried_is_named() -> None:
    def said(fence: str, text: str) -> str:
        page = ROOT / "docs" / "index.md"
        try:
            check(Block(page, 7, *fence.split("|"), text=text))
        except UnclassifiedError as error:
            return str(error)
        return ""

    assert said("console|", "$ tradepulse doctor\n$ make run\n") == ""
    assert said("console|needs a venue: Kraken", "$ nobody knows\n") == ""
    assert said("console|", "$ helm install\n").startswith("docs/index.md:7: nothing tries 'helm';")
    assert "no 'ruin'" in said("console|", "$ make ruin\n")
    assert "stands before" in said("console|", "an answer\n")
    assert "in no list" in said("console|because", "$ tradepulse doctor\n")
    assert "say console" in said("text|", "$ tradepulse doctor\n")
    assert "language 'go'" in said("go|", "x\n")
