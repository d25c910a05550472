"""`new`: a folder for a user's own strategies, so that their repository has a shape."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tradepulse.cli.errors import CliError

_README = """# NAME

| file | |
|---|---|
| `NAME.py` | the strategy; several may be in it |
| `test_NAME.py` | its tests: `pytest` |
| `NAME.ipynb` | a first backtest in a notebook |
| `settings.env` | what commands and services are told: `set -a; source settings.env; set +a` |

```console
$ tradepulse strategies check NAME.py
$ tradepulse backtest --strategy NAME.py --candles FILE --report NAME.html
$ tradepulse up --strategy NAME.py --candles FILE
```
"""
_SETTINGS = """# files with strategies of one's own; services are to know them, too
STRATEGY_FILES=NAME.py
# the database and the broker, where it is not that of a running `tradepulse up`
# DATABASE_URL=postgresql://user@host/tradepulse
# KAFKA_BOOTSTRAP_SERVERS=host:9092
"""
_IGNORED = ".tradepulse/\n*.html\n__pycache__/\n.ipynb_checkpoints/\n"
_CELLS = (
    "import tradepulse as tp",
    'candles = tp.load(tp.demo_candles(), symbol="BTC/USD")  # or a file of your own',
    'run = tp.backtest(candles, "NAME.py", start="2019-01-01")\nrun',
    "run.trades",
)


def new(
    name: Annotated[str, typer.Argument(help="Name of the strategy and the folder.")],
    folder: Annotated[
        Path, typer.Option(help="Where the folder is made.", file_okay=False, exists=True)
    ] = Path(),
) -> None:
    """Begin a project: a strategy, its test, a notebook and settings, in a folder."""
    from tradepulse.cli.research.beginning import write_beginning

    project = folder / name
    if project.exists():
        raise CliError(f"{project} is there already; give another name, or remove it")
    project.mkdir()
    try:
        write_beginning(name, project)
    except CliError:
        project.rmdir()
        raise
    for file, text in (
        ("README.md", _README),
        ("settings.env", _SETTINGS),
        (".gitignore", _IGNORED),
        (f"{name}.ipynb", _notebook()),
    ):
        (project / file).write_text(text.replace("NAME", name))
    typer.echo(
        f"wrote {project}: {', '.join(sorted(one.name for one in project.iterdir()))}\n"
        f"check it: cd {project} && tradepulse strategies check {name}.py"
    )


def _notebook() -> str:
    """Return the notebook, without any output."""
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": cell.splitlines(keepends=True),
        }
        for number, cell in enumerate(_CELLS)
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1) + "\n"
