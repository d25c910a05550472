"""Two models side by side: what `policy compare` prints."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tradepulse.candles.checks import time_text

if TYPE_CHECKING:
    from rich.table import Table

    from tradepulse.research.model_registry import StoredModel
    from tradepulse.research.policies.report import (
        Compared,
        Figures,
        PolicyGate,
        PolicyReport,
        Span,
    )

_PARTS = ("train", "validation", "test")
_NONE = "-"


def comparison(models: "Sequence[StoredModel]") -> "tuple[Table, list[str]]":
    """Return the table of models, and what must be known to read it, each a line.

    Raises:
        ValueError: a model's report is not one.
    """
    from rich.markup import escape
    from rich.table import Table

    reports = [_report(one) for one in models]
    heads = (f"{escape(one.name)}\n{str(one.model_id)[:8]}" for one in models)
    table = Table("", *heads, box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name, cells in _rows(models, reports):
        table.add_row(name, *map(escape, cells))
    return table, list(_objections(models, reports))


def _rows(
    models: "Sequence[StoredModel]", reports: "Sequence[PolicyReport | None]"
) -> Iterator[tuple[str, list[str]]]:
    yield "stage", [one.stage for one in models]
    yield "verdict", [one.verdict for one in models]
    yield "seeds", [str(one.manifest["seeds"]) for one in models]
    for part in _PARTS:
        spans = [None if one is None else one.parts.get(part) for one in reports]
        yield f"[bold]{part}[/]", [_NONE if one is None else _span(one) for one in spans]
        figures = [None if one is None else one.table[0].parts.get(part) for one in reports]
        for title, told in _FIGURES.items():
            yield f"  {title}", [_NONE if one is None else told(one) for one in figures]
    yield "[bold]excess on test, %[/]", ["found (lower bound)"] * len(models)
    known = [one for one in reports if one is not None]
    for name, title in _titles(row for one in known for row in one.compared).items():
        yield f"  over {title}", [_excess(one, name) for one in reports]
    yield "[bold]gates[/]", [_NONE if not one.gates else f"{len(one.gates)}" for one in models]
    for name, title in _titles(row for one in known for row in one.gates).items():
        yield f"  {title}", [_gate(one, name) for one in reports]


def _report(model: "StoredModel") -> "PolicyReport | None":
    from tradepulse.research.policies.report import PolicyReport

    if not model.report:
        return None
    try:
        return PolicyReport.of_json(model.report)
    except ValueError as error:
        raise ValueError(
            f"the report of model {model.model_id} cannot be read: use the program that wrote it, "
            "or train the model anew"
        ) from error


def _objections(
    models: "Sequence[StoredModel]", reports: "Sequence[PolicyReport | None]"
) -> Iterator[str]:
    for model, report in zip(models, reports, strict=True):
        if report is None:
            yield f"{model.name} was not evaluated, so there is nothing to compare it by"
    known = [one for one in reports if one is not None]
    if len(known) < len(models):
        return
    spans = [one.parts["test"] for one in known]
    if len({(one.start, one.end) for one in spans}) > 1:
        yield (
            "they were judged on other test ranges ("
            + " and ".join(map(_span, spans))
            + "): their figures cannot be compared; train both on the same data"
        )
    elif len({(one.timeframe, *sorted(one.instruments)) for one in models}) > 1:
        yield (
            "they were judged on other instruments or another timeframe: their figures cannot be "
            "compared; train both on the same data"
        )
    elif len({_signals(one) for one in models}) > 1:
        yield (
            "they were judged on the signals of other configurations: compare each with its own "
            "baselines only"
        )
    else:
        yield f"both were judged on the same test range, {_span(spans[0])}"


def _signals(model: "StoredModel") -> tuple[str, ...]:
    ids = (one.get("configuration_id", one.get("id")) for one in model.configurations)
    return tuple(sorted(str(one) for one in ids))


def _span(span: "Span") -> str:
    first, last = (time_text(time)[:10] for time in (span.start, span.end - 1))
    return f"{first} to {last}, {span.days} days"


def _number(value: float | None, digits: int = 2) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _growth(one: "Figures") -> str:
    return f"{one.growth_pct:+.2f}"


def _sharpe(one: "Figures") -> str:
    return _number(one.sharpe)


def _drawdown(one: "Figures") -> str:
    return _number(one.max_drawdown_pct)


def _exposure(one: "Figures") -> str:
    return _number(one.exposure, 3)


def _costs(one: "Figures") -> str:
    return _number(one.costs_pct)


def _trades(one: "Figures") -> str:
    return str(one.trades)


_FIGURES = {
    "growth, %": _growth,
    "Sharpe ratio": _sharpe,
    "drawdown, %": _drawdown,
    "exposure": _exposure,
    "costs, %": _costs,
    "trades": _trades,
}


def _titles(rows: "Iterable[Compared | PolicyGate]") -> dict[str, str]:
    """Return titles by name, in the order in which a name first comes."""
    found: dict[str, str] = {}
    for one in rows:
        found.setdefault(one.name, one.title)
    return found


def _excess(report: "PolicyReport | None", name: str) -> str:
    there = [] if report is None else [one for one in report.compared if one.name == name]
    return f"{there[0].excess_pct:+.2f} ({there[0].lower_pct:+.2f})" if there else _NONE


def _gate(report: "PolicyReport | None", name: str) -> str:
    there = [] if report is None else [one for one in report.gates if one.name == name]
    return _said(there[0]) if there else _NONE


def _said(gate: "PolicyGate") -> str:
    word = "passed" if gate.passed else "refused"
    if gate.figure is None:
        return f"{word}, undefined"
    return f"{word}, {_number(gate.figure)} {gate.unit}".rstrip()
