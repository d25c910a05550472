"""The report on a policy for a terminal: plain text, at most 100 columns."""

import textwrap
from collections.abc import Iterator, Sequence

from tradepulse.research.policies.report import PolicyGate, PolicyReport
from tradepulse.research.policies.time_split import PARTS, Part

WIDTH = 100


def as_text(report: PolicyReport) -> str:
    """Write a report."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: PolicyReport) -> Iterator[str]:
    yield from _wrapped(f"{report.policy}: {report.verdict}")
    for warning in report.warnings:
        yield from _wrapped(f"WARNING: {warning}")
    yield ""
    yield from _wrapped(smallest(report))
    yield ""
    for gate in report.gates:
        yield f"{'passed' if gate.passed else 'REFUSED':8} {gate.title}: {measured(gate)}"
        yield from _wrapped(gate.verdict, "         ")
    yield ""
    yield from _compared(report)
    yield ""
    yield from _table(report)


def smallest(report: PolicyReport) -> str:
    """Say what the test range could have shown at all."""
    rival = next(one for one in report.compared if one.name == report.rival)
    days = report.parts["test"].days
    if report.smallest_excess_pct is None:
        return (
            f"In the {days} days of the test range it did what {rival.title} did; an excess needs "
            f"a Sharpe ratio of {report.smallest_sharpe:.1f} to be seen in so many days."
        )
    return (
        f"The smallest excess over {rival.title} that the {days} days of the test range could have "
        f"shown is {report.smallest_excess_pct:.2f} %, a Sharpe ratio of about "
        f"{report.smallest_sharpe:.1f}; what was found is {rival.excess_pct:+.2f} %."
    )


def measured(gate: PolicyGate) -> str:
    """Write what a gate measured, what it asks, and by how much the one is beyond the other."""
    sign = {">": "above", ">=": "at least", "<=": "at most"}[gate.comparison]
    if gate.figure is None or gate.margin is None:
        return f"undefined, must be {sign} {_figure(gate.threshold, gate.unit)}"
    side = "" if gate.margin >= 0 else f", missed by {_figure(-gate.margin, gate.unit)}"
    if gate.margin == 0 and not gate.passed:
        side = ", missed by a hair"
    return (
        f"{_figure(gate.figure, gate.unit)}, must be {sign} "
        f"{_figure(gate.threshold, gate.unit)}{side}"
    )


def _figure(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.2f} %"
    return f"{value:g}" if float(value).is_integer() else f"{value:.3f}"


def _compared(report: PolicyReport) -> Iterator[str]:
    days = report.parts["test"].days
    yield f"On the {days} days of the test range, % of the final equity (* is judged)"
    head = ("against", "excess", "lower", "smallest", "chance", "jointly", "dear costs")
    rows = [
        (
            f"{one.title} {'*' if one.is_judged else ''}".rstrip(),
            f"{one.excess_pct:+.2f}",
            f"{one.lower_pct:+.2f}",
            f"{one.smallest_pct:.2f}",
            f"{one.chance:.3f}",
            f"{one.joint_chance:.3f}" if one.is_judged else "",
            "" if one.costly_lower_pct is None else f"{one.costly_lower_pct:+.2f}",
        )
        for one in report.compared
    ]
    yield from _columns(head, rows)


def _table(report: PolicyReport) -> Iterator[str]:
    head = ("", "growth %", "Sharpe", "drawdown %", "exposure %", "costs %", "trades")
    for name in PARTS:
        span = report.parts[name]
        yield f"{name}, {Part(span.start, span.end)}, {span.days} days"
        rows = []
        for row in report.table:
            one = row.parts[name]
            rows.append((
                _title(row.name, row.title, report),
                f"{one.growth_pct:+.2f}",
                _or_none(one.sharpe),
                _or_none(one.max_drawdown_pct),
                _or_none(None if one.exposure is None else 100 * one.exposure),
                f"{one.costs_pct:.2f}",
                str(one.trades),
            ))  # fmt: skip
        yield from _columns(head, rows)
        yield ""


def _title(name: str, title: str, report: PolicyReport) -> str:
    if name == "equal_scaled":
        return f"{title} by {report.scale:g}"
    return title


def _or_none(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, *rows):
        first, *others = (
            text.ljust(width) if n == 0 else text.rjust(width)
            for n, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join((first, *others)).rstrip()


def _wrapped(text: str, indent: str = "") -> list[str]:
    # a percent sign stays with its figure
    kept = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(kept, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
