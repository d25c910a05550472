"""Write the boards for Grafana: `python -m deploy.grafana.build`."""

import json
from pathlib import Path
from typing import Any

from deploy.grafana.panels import Board, Panel
from deploy.grafana.system import KAFKA, MARKET_DATA, OVERVIEW, POSTGRES
from deploy.grafana.trading import PATH, RESEARCH, RL, TRADING

BOARDS = (OVERVIEW, TRADING, PATH, MARKET_DATA, KAFKA, POSTGRES, RESEARCH, RL)
FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT = 12, 8
"""Of a panel; a board is 24 wide."""


def panel(number: int, made: Panel) -> dict[str, Any]:
    """Return a panel as Grafana's JSON."""
    is_heatmap = made.kind == "heatmap"
    options: dict[str, Any] = {
        "timeseries": {"tooltip": {"mode": "multi", "sort": "desc"}},
        "stat": {"textMode": "value_and_name", "reduceOptions": {"calcs": ["lastNotNull"]}},
        "heatmap": {"calculate": False, "yAxis": {"unit": made.unit}},
    }[made.kind]
    return {
        "id": number + 1,
        "type": made.kind,
        "title": made.title,
        "datasource": SOURCE,
        "gridPos": {
            "x": number % 2 * WIDTH,
            "y": number // 2 * HEIGHT,
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": made.unit}, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
                "format": "heatmap" if is_heatmap else "time_series",
            }
            for at, (legend, query) in enumerate(made.queries)
        ],
    }


def dashboard(board: Board) -> dict[str, Any]:
    """Return a board as Grafana's JSON."""
    return {
        "uid": f"tradepulse-{board.uid}",
        "title": f"TradePulse: {board.title}",
        "tags": ["tradepulse"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {"type": "dashboards", "tags": ["tradepulse"], "title": "Boards", "asDropdown": True}
        ],
        "templating": {
            "list": [
                {
                    "name": name,
                    "type": "query",
                    "datasource": SOURCE,
                    "query": query,
                    "refresh": 2,
                    "includeAll": True,
                    "multi": True,
                    "current": {"text": "All", "value": "$__all"},
                }
                for name, query in board.variables
            ]
        },
        "panels": [panel(number, made) for number, made in enumerate(board.panels)],
    }


def written(board: Board) -> str:
    """Return the text of a board's file."""
    return json.dumps(dashboard(board), indent=1) + "\n"


def main() -> None:
    """Write every board, and remove what is none any more."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(written(board))


if __name__ == "__main__":
    main()
