"""Modules are read in one sitting, functions fit a screen, and arguments fit in a head."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE_LINES = 350
FUNCTION_LINES = 60
ARGUMENTS = 8
"""Without `self` and `cls`; arguments that travel together are a dataclass."""


def modules() -> Iterator[Path]:
    packages = [path.parent for path in ROOT.glob("*/__init__.py")]
    for folder in (*packages, ROOT / "bench"):
        for path in sorted(folder.rglob("*.py")):
            if "node_modules" not in path.parts:
                yield path


def too_long(name: str, text: str) -> Iterator[str]:
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield f"{name}: {lines} lines, at most {MODULE_LINES}"
    for one in ast.walk(ast.parse(text)):
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        place = f"{name}:{one.lineno}: {one.name}"
        lines = (one.end_lineno or one.lineno) - one.lineno + 1
        if lines > FUNCTION_LINES:
            yield f"{place}: {lines} lines, at most {FUNCTION_LINES}"
        names = [a.arg for a in (*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > ARGUMENTS:
            yield f"{place}: {count} arguments, at most {ARGUMENTS}"


def test_nothing_is_too_long() -> None:
    paths = list(modules())
    assert {"tradepulse", "studio_svc", "bench"} <= {p.relative_to(ROOT).parts[0] for p in paths}
    found = [
        line for path in paths for line in too_long(str(path.relative_to(ROOT)), path.read_text())
    ]
    assert not found, "too long:\n" + "\n".join(found)


def test_what_is_too_long_is_named() -> None:
    at_most = "def f(self, a, b, c, /, d, e, f, *, g, h):\n" + "    a\n" * 59
    assert list(too_long("m.py", at_most + "a\n" * 290)) == []
    assert list(too_long("m.py", at_most + "a\n" * 291)) == ["m.py: 351 lines, at most 350"]
    over = "\nasync def f(a, b, c, d, e, f, g, h, *, i):\n" + "    a\n" * 60
    assert list(too_long("m.py", over)) == [
        "m.py:2: f: 61 lines, at most 60",
        "m.py:2: f: 9 arguments, at most 8",
    ]
