"""The notebooks are run from the first cell to the last, each in a kernel of its own."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # kept without outputs: what they show depends on nothing but the cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    where = {"metadata": {"path": str(tmp_path)}}
    await NotebookClient(notebook, kernel_name="python3", resources=where).async_execute()
    shown = [output for cell in cells for output in cell.outputs]
    assert all(output.output_type != "stream" for output in shown), "a cell warned or printed"
    # what a slow cell shows of its progress is no result
    results = [output.data for output in shown if output.output_type == "execute_result"]
    assert sum("text/html" in data for data in results) >= 4


def test_the_page_names_every_notebook() -> None:
    page = (FOLDER.parent / "guides" / "notebooks.md").read_text()
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        assert f"](../notebooks/{path.name})" in page
