"""What the pages let one type with a system is typed into one that runs, in their order."""

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg

from tests.given_files import GIVEN
from tests.pages import PAGES, Block, Typed, blocks, runs_on_a_system, typed
from tests.typist import Typist

IDS = {
    "configs": "select configuration_id from trained_configurations where is_active limit 1",
    "configs report": "select configuration_id from validation_reports limit 1",
    "trace": "select order_id from orders limit 1",
    "trades": "select configuration_id from trained_configurations where is_active limit 1",
}
"""By command, what asks for an id that this system has, in the place of the page's."""
ID = re.compile(
    r"(?<= )[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<= )[0-9a-f]{8}\b"
    r"|(?<=--configuration )[0-9a-f]+\b"
)


def type_pages(state: Path, folder: Path, port: int) -> int:
    """Type all of it, each line once; return how many lines that was."""
    folder.mkdir()
    seen = set[tuple[str, ...]]()
    # what is imported there is of many exchanges: a search has to be told which one then
    for page in sorted(PAGES, key=lambda one: one.name == "candle-files.md"):
        lines = [one for block in blocks(page) for one in there(block)]
        python = [b for b in blocks(page) if b.language == "python" and not b.is_marked]
        if not lines and not any(map(runs_on_a_system, python)):
            continue
        (own := folder / page.stem).mkdir()
        typist = Typist(own)
        (own / ".tradepulse").symlink_to(state)
        for name, write in GIVEN.items():
            write(own / name)
        for block in blocks(page):
            if block.is_file:
                typist.save(block)
            elif block in python and runs_on_a_system(block):
                typist.run(block)
            for one in there(block):
                if one.words in seen and not is_read_by_others(one):
                    continue
                typist.type(one, of_this_system(one, state, port))
                seen.add(one.words)
    return len(seen)


def there(block: Block) -> list[Typed]:
    """Return what a console block lets one type that needs a system."""
    if block.language != "console" or block.is_marked:
        return []
    return [one for one in typed(block) if one.needs_a_system and one.is_typed_as_it_stands]


def is_read_by_others(one: Typed) -> bool:
    """Tell whether programs of the system are typed beside it, on what it has made."""
    return any(not beside.is_ours for beside in typed(one.block))


def of_this_system(one: Typed, state: Path, port: int) -> str:
    """Return the line with ids and the port of this system."""
    line = one.line.replace("8750", str(port))
    if not (one.is_ours and ID.search(line)):
        return line
    names = (" ".join(one.words[1:3]), one.words[1], "configs")
    name = next(name for name in names if name in IDS)
    return ID.sub(str(asyncio.run(asked(state, IDS[name])))[:36], line)


async def asked(state: Path, question: str) -> Any:
    """Return what the system's database answers first; wait until there is something."""
    connection = await asyncpg.connect(
        f"postgresql://postgres@/tradepulse?host={state / 'postgres'}&port=5432"
    )
    try:
        async with asyncio.timeout(180):
            while (found := await connection.fetchval(question)) is None:  # noqa: ASYNC110 - of others
                await asyncio.sleep(0.2)
            return found
    finally:
        await connection.close()
