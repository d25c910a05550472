"""`import tradepulse` names what the library has, and imports nothing of it before it is asked."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tradepulse as tp

STUB = Path(str(tp.__file__)).with_suffix(".pyi")


def test_the_stub_says_what_is_found() -> None:
    said = {
        alias.name: one.module
        for one in ast.parse(STUB.read_text()).body
        if isinstance(one, ast.ImportFrom)
        for alias in one.names
    }
    assert said.pop("__version__") == "tradepulse.version"
    assert said == tp._FROM
    for name in said:
        assert getattr(tp, name) is not None
        assert name in dir(tp)
    with pytest.raises(AttributeError, match="module 'tradepulse' has no attribute 'nothing'"):
        _ = tp.nothing


def test_it_imports_nothing_before_it_is_asked() -> None:
    code = (
        "import sys, tradepulse; print(*(n for n in sys.modules if n.startswith('tradepulse')), "
        "*({'numpy', 'polars', 'numba', 'pydantic', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == ["tradepulse", "tradepulse.version"]
