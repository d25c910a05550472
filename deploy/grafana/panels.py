"""What a board is: a panel is a title, a unit and what it asks Prometheus."""

from dataclasses import dataclass

OURS = 'job=~"market_ingest|.+_svc|trainer"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph.

    Attributes:
        title: what is seen.
        unit: Grafana's name of it: `s`, `short`, `percentunit`, `bytes`, `ops`, …
        queries: what each line is called, and its query; {{label}} is a label's value.
        kind: Grafana's kind of panel.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Board:
    """One page.

    Attributes:
        uid: also the name of its file.
        title: of the page.
        panels: two in a row.
        variables: what can be chosen, by name: the query for its values.
    """

    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[tuple[str, str], ...] = ()


def one(title: str, unit: str, legend: str, query: str, kind: str = "timeseries") -> Panel:
    """Make a panel of one query."""
    return Panel(title, unit, ((legend, query),), kind)


def rate(metric: str, *by: str) -> str:
    """Ask for growth each second, summed by labels."""
    return f"sum{_by(by)} (rate({metric}[$__rate_interval]))"


def quantile(q: float, metric: str, *by: str, of: str = "") -> str:
    """Ask for a quantile of a histogram."""
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket{of}', 'le', *by)})"


def quantiles(metric: str, legend: str, *by: str) -> tuple[tuple[str, str], ...]:
    """Ask for the median and what one of a hundred exceeds."""
    return (
        (f"{legend} median", quantile(0.5, metric, *by)),
        (f"{legend} 99 %", quantile(0.99, metric, *by)),
    )


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
