"""The styles: of a page of its own, and of a drawing in somebody else's, as in a notebook."""

from importlib import resources

FILES = resources.files("tradepulse.research.report_page")
_COLOURS, _CHARTS, _PAGE = (
    (FILES / f"{name}.css").read_text(encoding="utf-8") for name in ("colours", "charts", "page")
)
PAGE_STYLE = _COLOURS + _CHARTS + _PAGE
INSIDE = "tradepulse"
"""Class of the element that holds a drawing in another page: nothing outside it is styled."""
DRAWING_STYLE = "".join(
    (
        _COLOURS.replace(":root", f".{INSIDE}"),
        f".{INSIDE} {{ padding: 8px; background: var(--panel); color: var(--text);\n{_CHARTS}}}\n",
    )
)
