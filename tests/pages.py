"""The code blocks of the pages: what each is, and so what tries it.

A block is run, asked or parsed by a test, or its title tells the reader why it is not (`WHY_NOT`).

- `python` is run, one namespace a page; with a file's name as title it is that file instead.
- `console`: what follows `$ ` is typed, in the page's order, in a folder that looks like a clone.
  What needs no system is typed by tests/component/test_pages_typed.py, what needs one by
  tests/integration/typed_pages.py into a system that runs there.
- `sql` is asked by tests/integration/test_pages_sql.py.
- `json`, `toml`, `yaml`, `ini` are parsed, and are files where their title is a file's name.
- `text` is what somebody says, or a drawing.
"""

import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
WHY_NOT = (
    "needs a broker of yours",
    "needs a cluster",
    "needs a collector of traces",
    "needs a database server of yours",
    "needs a deployed service",
    "needs a restart of the database server",
    "needs a venue",
    "needs Docker",
    "needs Prometheus",
    "needs systemd",
    "needs the network",
    "takes hours",
    "takes the database away",
)
"""How the title of a block begins that no test runs."""
NO_SYSTEM = {"new", "strategies", "backtest", "doctor"}
"""Commands that need neither a broker nor a database; so do those that look at `--file`."""
RUN_BY = {
    "up": "tests/integration/test_up.py",
    "strategies check": "tests/component/test_cli_strategies.py",
    "optimize": "tests/integration/test_cli_data.py",
    "restore": "tests/integration/test_restore.py",
    "backup --physical": "tests/integration/test_restore.py",
    "subscriptions add": "tests/integration/test_subscriptions_cli.py",
    # it gives its process to psql
    "db psql": "tests/integration/test_schema_docs.py",
    "policy train": "tests/integration/test_policy_train_cli.py",
    "policy promote": "tests/integration/test_policy_cli.py",
    "policy import": "tests/integration/test_policy_cli.py",
    "policy compare": "tests/integration/test_policy_cli.py",
    "policy show": "tests/integration/test_policy_cli.py",
}
"""What is not typed as the pages have it, since a test of its own runs it."""
SHELL = {
    "cat",
    "cd",
    "chmod",
    "curl",
    "find",
    "grep",
    "head",
    "ls",
    "mkdir",
    "openssl",
    "printf",
    "psql",
}
"""Programs of the system that are run as they stand."""
PARSERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    # a file of PostgreSQL has no sections
    "ini": lambda text: configparser.RawConfigParser(strict=False).read_string("[-]\n" + text),
}
_FENCE = re.compile(
    r'^(?P<indent> *)```(?P<language>[^\s`]*)(?: title="(?P<title>[^"]*)")?[ ]*\n'
    r"(?P<text>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)


class UnclassifiedError(ValueError):
    """A block of which nothing tells how it is tried."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def is_file(self) -> bool:
        """Its title is the name of the file that it is."""
        return re.fullmatch(r"[\w@-]+(\.[\w-]+)*\.\w+", self.title) is not None

    @property
    def is_marked(self) -> bool:
        """Its title tells why it is not run."""
        return self.title.startswith(WHY_NOT)

    def __str__(self) -> str:
        """Name the place."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Typed:
    """What is typed after a prompt, and what the page shows for an answer."""

    block: Block
    words: tuple[str, ...]
    line: str
    shown: str

    @property
    def is_ours(self) -> bool:
        """It is a command `tradepulse`."""
        return self.words[0] == "tradepulse"

    @property
    def run_by(self) -> str | None:
        """The test that runs such a command, where it is not typed as it stands."""
        line = " ".join(self.words[1:])
        return next((by for name, by in RUN_BY.items() if f"{line} ".startswith(f"{name} ")), None)

    @property
    def needs_a_system(self) -> bool:
        """A broker or a database must be there, or what was made with one."""
        if not self.is_ours:
            beside = any(one.is_ours and one.needs_a_system for one in typed(self.block))
            return beside or self.words[0] in {"psql", "curl"} or ".tradepulse" in self.line
        if "--help" in self.words or "--file" in self.words:
            return False
        of_registry = any(re.fullmatch(r"model:[0-9a-f]{8}.*", word) for word in self.words)
        stored = self.words[1] == "backtest" and "--candles" not in self.words
        return self.words[1] not in NO_SYSTEM or of_registry or stored

    @property
    def is_typed_as_it_stands(self) -> bool:
        """No test of its own runs it."""
        return not (self.is_ours and self.run_by)

    @property
    def refused(self) -> bool:
        """The page shows a refusal."""
        return re.match(r"tradepulse [\w ]+: ", self.shown) is not None


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        yield Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["title"] or "",
            re.sub(rf"(?m)^{found['indent']}", "", found["text"]),
        )


def runs_on_a_system(block: Block) -> bool:
    """Tell of a block of Python whether it asks a system, or reads what a command had of one."""
    if re.search(r"\btp\.(connect|stored)\(|\blive\.", block.text):
        return True
    exported = {
        said.words[2]
        for one in blocks(block.page)
        if one.language == "console" and not one.is_marked
        for said in typed(one)
        if said.words[:2] == ("tradepulse", "export")
    }
    return not exported.isdisjoint(re.findall(r'"([^"\n]+)"', block.text))


def typed(block: Block) -> Iterator[Typed]:
    """Yield what a console block lets one type, with what is shown for an answer."""
    lines = block.text.replace("\\\n", " ").splitlines()
    while lines:
        line = lines.pop(0)
        if not line.startswith("$ "):
            raise UnclassifiedError(f"{block}: an answer stands before what is typed: {line}")
        line = line.removeprefix("$ ")
        while (words := _words(line)) is None:
            line += "\n" + lines.pop(0)
        shown = []
        while lines and not lines[0].startswith("$ "):
            shown.append(lines.pop(0))
        parts = line.split(" && ") if "tradepulse " in line else [line]
        for part in parts:
            last = "\n".join(shown) if part is parts[-1] else ""
            yield Typed(block, tuple(_words(part) or words), part, last)


def _words(line: str) -> list[str] | None:
    """Return the words of a line, None where a quotation does not end in it."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    # variables that are set for one command
    while len(words) > 1 and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words


def check(block: Block) -> None:
    """Find what tries a block.

    Raises:
        UnclassifiedError: nothing does, and its title does not say why.
    """
    if block.title and not (block.is_file or block.is_marked):
        raise UnclassifiedError(
            f"{block}: the title {block.title!r} is in no list of tests/pages.py"
        )
    if block.is_marked:
        return
    if block.language in PARSERS:
        PARSERS[block.language](block.text)
    elif block.language == "python":
        compile(block.text, str(block), "exec")
    elif block.language == "console":
        for one in typed(block):
            _check_typed(one)
    elif block.language == "text":
        if re.search(r"(?m)^\$ ", block.text):
            raise UnclassifiedError(f"{block}: text with a prompt; say console")
    elif block.language != "sql":
        raise UnclassifiedError(f"{block}: nothing tries the language {block.language!r}")


def _check_typed(one: Typed) -> None:
    known = SHELL | {"tradepulse", "source", "export", "make"}
    if one.words[0] not in known:
        raise UnclassifiedError(
            f"{one.block}: nothing tries {one.words[0]!r}; say in the block's title why,"
            f' as title="{WHY_NOT[0]}" (WHY_NOT in tests/pages.py)'
        )
    if one.words[0] == "make" and not re.search(
        rf"(?m)^{re.escape(one.words[1])}:", (ROOT / "Makefile").read_text()
    ):
        raise UnclassifiedError(f"{one.block}: the Makefile has no {one.words[1]!r}")
