"""Ask a Prometheus every query of every panel: `python -m deploy.grafana.check_dashboards URL`.

A panel is sound where each of its queries gives a series with a number in it; NaN and Inf are none.
Reads the files that Grafana reads.
"""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

FOLDER = Path(__file__).parent / "dashboards"
LOOKED_BACK_S = 300
INTERVAL = "1m"
"""In the place of $__rate_interval."""


def ask(url: str, path: str, **query: str) -> Any:
    """Return what Prometheus answers.

    Raises:
        URLError: it does not answer, or refuses the query.
    """
    with urlopen(f"{url}/api/v1/{path}?{urlencode(query)}", timeout=60) as answer:  # noqa: S310 - of the caller
        return json.load(answer)["data"]


def values(url: str, query: str) -> list[str]:
    """Return the values of a variable, `label_values(METRIC, LABEL)`."""
    metric, label = query.removeprefix("label_values(").removesuffix(")").split(", ")
    found = ask(url, "query", query=f'{metric}{{{label}!=""}}')["result"]
    return sorted({one["metric"][label] for one in found})


def numbers(url: str, expression: str) -> int:
    """Count the series of a query that hold a number."""
    now = time.time()
    found = ask(
        url,
        "query_range",
        query=expression,
        start=str(now - LOOKED_BACK_S),
        end=str(now),
        step="5",
    )["result"]
    return sum(any(math.isfinite(float(value)) for _, value in one["values"]) for one in found)


def queries(folder: Path = FOLDER) -> Iterator[tuple[str, str, Mapping[str, str], str]]:
    """Give each query with its board's and its panel's title and its board's variables."""
    for path in sorted(folder.glob("*.json")):
        board = json.loads(path.read_text())
        variables = {one["name"]: one["query"] for one in board["templating"]["list"]}
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield path.stem, panel["title"], variables, target["expr"]


def without_data(url: str) -> list[tuple[str, str, str]]:
    """Return board, panel and query of what gives no number."""
    empty = []
    for board, panel, variables, query in queries():
        asked = query.replace("$__rate_interval", INTERVAL)
        for name, of in variables.items():
            asked = asked.replace(f"${name}", "|".join(values(url, of)) or "none")
        if not numbers(url, asked):
            empty.append((board, panel, query))
    return empty


def main() -> None:
    """Tell what gives no number."""
    empty = without_data(sys.argv[1].rstrip("/"))
    for board, panel, query in empty:
        print(f"{board}: {panel}: nothing from {query}")  # noqa: T201 - a command
    print(f"{len(list(queries()))} queries, {len(empty)} without data")  # noqa: T201 - a command
    sys.exit(bool(empty))


if __name__ == "__main__":
    main()
