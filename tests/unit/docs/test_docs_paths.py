"""What pages and comments name is there: files, links, modules and what is imported of them."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("contracts", "tradepulse", "market_ingest", "optimizer_svc", "rl_svc", "signal_svc",
            "executor_svc", "studio_svc")  # fmt: skip
FOLDERS = (*PACKAGES, "bench", "deploy", "docs", "tests")
MADE = {"node_modules", "dist", "__pycache__"}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def files() -> Iterator[Path]:
    """Give all that is written by hand, pages apart."""
    for name in ("Makefile", "mkdocs.yml", "pyproject.toml"):
        yield ROOT / name
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".sql", ".sh", ".yml", ".ts", ".tsx", ".css"} and not (
                MADE & set(path.parts)
            ):
                yield path


def missing(text: str, folders: tuple[str, ...]) -> list[str]:
    """Return the paths of a text, from these folders on, that are not there."""
    names = re.findall(rf"(?<![\w./-])(?:{'|'.join(folders)})/[\w./<>-]*[\w>/]", text)
    patterns = {re.sub(r"<\w+>", "*", name).rstrip("/") for name in names}
    return sorted(name for name in patterns if not any(ROOT.glob(name)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    assert not missing(text, FOLDERS)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    # with fewer dots it may be a topic or a file
    for name in re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+){{2,}})`", text):
        resolve_name(name)
    for block in re.findall(r"(?s)```python[^\n]*\n(.*?)```", text):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


def test_the_pages_that_are_named_in_code_are_there() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): names
        for path in files()
        if (names := missing(path.read_text(), ("docs",)))
    }
    assert not found
