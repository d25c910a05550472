"""The services of one machine: their environment, their readiness."""

import asyncio
import importlib.util
import json
import os
import sys
from pathlib import Path

import httpx

from tradepulse.embedded.children import Children
from tradepulse.embedded.ports import HOST, remembered_ports
from tradepulse.embedded.state import StateFolder
from tradepulse.embedded.supervisor import Program
from tradepulse.trading.defaults import CASH

STUDIO = "studio_svc"
INGEST = "market_ingest"
TRAINER = "trainer"
EARLY = ("signal_svc", "rl_svc", "executor_svc", "optimizer_svc", STUDIO)
"""What runs from the start; market_ingest follows when the training is done."""
_MODULES = {TRAINER: "rl_svc.trainer"}
"""Of those that are not `NAME.app`."""
_OWN: dict[str, dict[str, str]] = {
    "executor_svc": {"ACCOUNT": "main", "INITIAL_CASH": str(CASH)},
    "rl_svc": {"PORTFOLIO": "main"},
}


def trains() -> bool:
    """Tell whether policies can be trained here; looked up, for importing torch takes seconds."""
    return importlib.util.find_spec("torch") is not None


class Services:
    """Makes the programs of the services.

    Args:
        state: the folder of this run.
        children: who starts them.
        connections: of the broker and the database, what is not inherited.
        ingest: market_ingest's variables.
        clock: whose time judges what is stale, `replay` or `wall`.
        page_port: the page's port; 0 chooses one and keeps it.

    Attributes:
        late: what runs once the first training jobs are done: the market, and the trainer where
            policies can be trained.
        urls: base URL by name of each service.
    """

    def __init__(
        self,
        state: StateFolder,
        children: Children,
        connections: dict[str, str],
        ingest: dict[str, str],
        clock: str,
        page_port: int,
    ) -> None:
        self._state = state
        self._children = children
        self.late = (INGEST, TRAINER) if trains() else (INGEST,)
        names = tuple(name for name in (*EARLY, *self.late) if not (name == STUDIO and page_port))
        ports = remembered_ports(state.path / "ports.json", names)
        if page_port:
            ports[STUDIO] = page_port
        self._ports = ports
        self.urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
        self._common = {
            **os.environ,
            **connections,
            "HTTP_HOST": HOST,
            "CLOCK": clock,
            "PYTHONUNBUFFERED": "1",
        }
        others = {name: url for name, url in self.urls.items() if name != STUDIO}
        self._own = _OWN | {
            INGEST: ingest,
            TRAINER: {"TRAINER_FOLDER": str(state.path / "trainer")},
            STUDIO: {
                "STUDIO_TOKEN_FILE": str(state.token_file),
                "STUDIO_SERVICES": json.dumps(others),
            },
        }

    @property
    def address(self) -> str:
        """The page's address; it carries the token, which is made the first time."""
        return f"{self.urls[STUDIO]}/?token={self._state.token()}"

    def targets(self) -> list[dict[str, object]]:
        """Say where Prometheus finds the metrics, as its `file_sd_configs` want it."""
        return [
            {"targets": [url.removeprefix("http://")], "labels": {"job": name}}
            for name, url in self.urls.items()
        ]

    def program(self, name: str) -> Program:
        """Make the program of a service."""
        port = self._ports[name]
        module = _MODULES.get(name, f"{name}.app")
        return self._module(name, module, {"HTTP_PORT": str(port)}, port)

    def history(self) -> Program:
        """Make the one-time program that stores the candles before the replay."""
        return self._module(INGEST, f"{INGEST}.history.before_replay", {})

    def log(self, name: str) -> Path:
        """Name the log of a service."""
        return self._state.logs / f"{name}.log"

    def _module(self, name: str, module: str, own: dict[str, str], port: int = 0) -> Program:
        environment = {**self._common, **self._own.get(name, {}), **own}
        argv = [sys.executable, "-m", module]
        return Program(name, argv, environment, self._children, self.log(name), port)

    async def unready(self, client: httpx.AsyncClient, name: str) -> str:
        """Ask a service what it waits for; empty when it is ready."""
        try:
            answer = await client.get(f"{self.urls[name]}/readyz", timeout=2.0)
        except httpx.HTTPError:
            return "not answering yet"
        return "" if answer.status_code == httpx.codes.OK else answer.text.strip()[:80]

    async def all_unready(self, client: httpx.AsyncClient, names: list[str]) -> dict[str, str]:
        """Ask several services at once; give what each that is not ready waits for."""
        answers = await asyncio.gather(*(self.unready(client, name) for name in names))
        return {name: answer for name, answer in zip(names, answers, strict=True) if answer}
