"""What the pages let one type without a system is typed, and their Python is run."""

from pathlib import Path

import pytest

from tests.given_files import GIVEN
from tests.pages import PAGES, ROOT, Block, Typed, blocks, runs_on_a_system, typed
from tests.typist import Typist


def here(block: Block) -> list[Typed]:
    """Return what a console block lets one type that needs no system."""
    if block.language != "console" or block.is_marked:
        return []
    return [one for one in typed(block) if not one.needs_a_system and one.is_typed_as_it_stands]


def is_run_here(block: Block) -> bool:
    if block.language != "python" or block.is_marked or block.is_file:
        return False
    return not runs_on_a_system(block)


TRIED = [page for page in PAGES if any(here(one) or is_run_here(one) for one in blocks(page))]


@pytest.mark.parametrize("page", TRIED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_lets_one_type_does_it(page: Path, tmp_path: Path) -> None:
    typist = Typist(tmp_path)
    for name, write in GIVEN.items():
        write(tmp_path / name)
    for block in blocks(page):
        if block.is_file:
            typist.save(block)
        elif is_run_here(block):
            typist.run(block)
        for one in here(block):
            typist.type(one)
