"""Types what the pages let one type, in a folder that looks like a clone."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from typer.testing import CliRunner

from tests.candle_series import random_walk
from tests.pages import ROOT, Block, Typed
from tradepulse.cli.main import app
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies import get_strategy
from tradepulse.strategies._registry import STRATEGIES

UNSET = {"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "STRATEGY_FILES"}


class Typist:
    """Somebody at a terminal of 120 columns, in a folder of his own.

    Attributes:
        folder: where he types; what a clone has is there.
        environment: what he has exported.
    """

    _typed: ClassVar[dict[tuple[object, ...], str]] = {}
    """What was answered to what needs no system, on any page: it is answered again."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if name not in UNSET}
        self.environment |= environment or {}
        self._names: dict[str, Any] = {}
        for path in ROOT.iterdir():
            if path.name not in {".git", ".tradepulse", ".venv"}:
                (folder / path.name).symlink_to(path)

    def save(self, block: Block) -> None:
        """Write the file that a block is."""
        (self.folder / block.title).write_text(block.text)

    def run(self, block: Block) -> None:
        """Run a block of Python, after those before it on its page."""
        with self._in_folder():
            known = set(STRATEGIES)
            exec(compile(block.text, str(block), "exec"), self._names)
            for name in set(STRATEGIES) - known:
                # a rule is compiled when it is asked
                get_strategy(name).run(random_walk("BTC/USD", 300), {})

    def type(self, one: Typed, line: str | None = None) -> str:
        """Type a line, or another one in its place, and return what is answered.

        Raises:
            AssertionError: it ended otherwise than the page shows.
        """
        line = one.line if line is None else line
        if one.words[0] == "source" or one.words[0] == "make":
            return ""
        if one.words[0] == "export":
            return self._export(line)
        if not one.is_ours:
            return self._shell(line)
        files = [self.folder / word for word in one.words]
        key = (
            line,
            *(path.read_bytes() for path in files if path.is_file() and path.parent == self.folder),
        )
        if key in self._typed:
            return self._typed[key]
        before = set(self.folder.iterdir())
        answer = self._ours(one, line)
        # what has made a file makes it again where the next one reads it
        if not one.needs_a_system and set(self.folder.iterdir()) == before:
            self._typed[key] = answer
        return answer

    def _ours(self, one: Typed, line: str) -> str:
        line, _, rest = line.partition(" | ")
        words = re.sub(r"^(?:[A-Z_]+=\S* )*tradepulse ", "", line)
        runner = CliRunner(env={**self.environment, "COLUMNS": "120"})
        with self._in_folder():
            arguments = self._shell(f"printf '%s\\0' {words}").split("\0")[:-1]
            result = runner.invoke(app, arguments)
        said = f"{one.block}: {line}\n{result.output}"
        assert result.exit_code == (1 if one.refused else 0), said
        return self._shell(rest, result.stdout) if rest else result.output

    def _export(self, line: str) -> str:
        names = re.findall(r"\b([A-Z_]+)=", line)
        said = self._shell(f"{line}\nenv -0")
        told = dict(part.split("=", 1) for part in said.split("\0") if "=" in part)
        self.environment |= {name: told[name] for name in names}
        return ""

    def _shell(self, line: str, given: str = "") -> str:
        done = subprocess.run(
            ["bash", "-c", f"set -e -o pipefail; {line}"],
            cwd=self.folder,
            input=given,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        # grep found nothing, in a system that is not the page's
        found_nothing = line.startswith("grep ") and done.returncode == 1
        assert done.returncode == 0 or found_nothing, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def _in_folder(self) -> Iterator[None]:
        """Be in the folder, and forget the strategies that a file brought."""
        before, known = Path.cwd(), dict(STRATEGIES)
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.chdir(before)
            STRATEGIES.clear()
            STRATEGIES.update(known)
            strategy_files._loaded.clear()
