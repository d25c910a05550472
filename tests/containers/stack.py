"""docker-compose.yml on a new host: a copy of the project, secrets made, images built, started."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from engine import Client, compose_program, docker_program

ROOT = Path(__file__).parents[2]
TAGS = {
    "python": "python:3.12-slim",
    "node": "node:24-slim",
    "kafka": "apache/kafka:4.4.0",
    "postgres": "postgres:18",
    "prometheus": "prom/prometheus:v3.5.0",
    "alertmanager": "prom/alertmanager:v0.28.1",
    "postgres-exporter": "prometheuscommunity/postgres-exporter:v0.17.1",
    "node-exporter": "prom/node-exporter:v1.9.1",
}
WATCHERS = ("prometheus", "alertmanager", "postgres-exporter", "node-exporter")
"""Of the profile `monitoring`, what can be had here: not Grafana, nor the exporter of Kafka."""
SERVICES = (
    *("postgres", "kafka", "signal_svc", "rl_svc", "executor_svc", "optimizer_svc", "studio_svc"),
    "market_ingest",
)
DAY_MS = 86_400_000
START = 1_522_540_800_000
"""2018-04-01, where the demo's replay begins; docker-compose.yml says the same."""
END = START + 45 * DAY_MS
SYMBOLS = ("BTC/USD", "ETH/USD")
PORT, PROMETHEUS_PORT, ALERTMANAGER_PORT = "8759", "9759", "9760"
VARIABLES = {
    "REPLAY_SYMBOLS": ",".join(SYMBOLS),
    "REPLAY_TO": str(END),
    "PAGE_PORT": PORT,
    "PROMETHEUS_PORT": PROMETHEUS_PORT,
    "ALERTMANAGER_PORT": ALERTMANAGER_PORT,
    "BUILD_NETWORK": "host",
}
OVERRIDE = """
services:
  # what trades is to stay as it is found, or a backtest cannot say what is right
  optimizer_svc: {environment: {LIFECYCLE_S: "3600"}}
"""


class Stack:
    """The running system.

    Attributes:
        healthy_s: seconds from `up` until all were healthy.
    """

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.healthy_s = 0.0
        self._compose = [*compose_program(), "--project-name", "tptest"]
        self._compose += ["--file", "docker-compose.yml", "--file", "override.yml"]

    def start(self) -> None:
        """Do what the guide says, and wait until all is healthy."""
        self.folder.mkdir()
        made = shutil.ignore_patterns("__pycache__", "node_modules", "dist")
        for name in (*_context(), "docker-compose.yml", ".dockerignore", "deploy"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(
                ROOT / name,
                self.folder / name,
                **({"ignore": made} if copy is shutil.copytree else {}),
            )
        (self.folder / "override.yml").write_text(OVERRIDE)
        self.client.run("deploy/init-secrets.sh", cwd=self.folder)
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in VARIABLES.items())
        begun = time.monotonic()
        self.compose("build", "--parallel")
        print(f"images built in {time.monotonic() - begun:.0f} s")
        begun = time.monotonic()
        self.compose("up", "--detach", "--no-build", "--scale", "executor_svc=2")
        self.until(self.is_healthy, 300, "all healthy")
        self.healthy_s = time.monotonic() - begun

    def end(self) -> None:
        """Remove it, with its volumes."""
        if (self.folder / ".env").exists():
            self.compose("down", "--volumes", "--timeout", "5")

    def compose(self, *arguments: str) -> str:
        """Run Compose."""
        return self.client.run(*self._compose, *arguments, cwd=self.folder)

    def containers(self, service: str = "") -> list[str]:
        """Return the ids of a service's containers, or of all, also of those that have ended."""
        label = f"label=com.docker.compose.service={service}" if service else ""
        filters = ["--filter", "label=com.docker.compose.project=tptest"]
        filters += ["--filter", label] if label else []
        return self.client.docker("ps", "--all", "--quiet", *filters).split()

    def inspect(self, container: str) -> dict:
        """Return all that the engine says of a container."""
        return json.loads(self.client.docker("inspect", container))[0]

    def is_healthy(self) -> bool:
        """Tell whether each service has a healthy container; fail where one gave up."""
        found = {
            name: [self.inspect(one)["State"] for one in self.containers(name)] for name in SERVICES
        }
        for name in ("setup", "first_jobs"):
            for one in self.containers(name):
                state = self.inspect(one)["State"]
                if state["Status"] == "exited" and state["ExitCode"]:
                    raise AssertionError(f"{name} failed:\n{self.logs(one)}")
        return all(
            states and all(state.get("Health", {}).get("Status") == "healthy" for state in states)
            for states in found.values()
        )

    def logs(self, container: str, lines: int = 30) -> str:
        """Return the last lines that a container wrote."""
        done = subprocess.run(
            [docker_program(), "logs", "--tail", str(lines), container],
            env=self.client.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def until(self, holds: Callable[[], bool], timeout_s: float, what: str) -> float:
        """Wait until something holds; return how long it took, s."""
        begun = time.monotonic()
        while not holds():
            if time.monotonic() - begun > timeout_s:
                said = "\n".join(
                    f"--- {name}\n{self.logs(one)}"
                    for name in SERVICES
                    for one in self.containers(name)
                )
                raise AssertionError(f"not {what} in {timeout_s} s:\n{self.compose('ps')}\n{said}")
            time.sleep(0.25)
        return time.monotonic() - begun

    def address(self, container: str, network: str = "inside") -> str:
        """Return a container's address on a network."""
        networks = self.inspect(container)["NetworkSettings"]["Networks"]
        return networks[f"tptest_{network}"]["IPAddress"]

    def is_ready(self, container: str) -> bool:
        """Ask a service whether it is ready; one that cannot be asked is not."""
        try:
            status, _ = get(f"http://{self.address(container)}:8000/readyz")
        except KeyError:  # it is on no network
            return False
        return status == 200

    def secrets(self) -> dict[str, str]:
        """Return what is in the files of secrets."""
        return {path.name: path.read_text() for path in (self.folder / "secrets").iterdir()}

    def database_url(self, role: str = "tradepulse") -> str:
        """Return the address of the database, from this machine; of the superuser or of a role."""
        (container,) = self.containers("postgres")
        password = self.secrets()[
            "database_password" if role == "tradepulse" else f"database_{role}"
        ]
        return f"postgresql://{role}:{password}@{self.address(container)}:5432/tradepulse"


def _context() -> list[str]:
    """Return what .dockerignore lets into the images."""
    return re.findall(r"(?m)^!(\S+)$", (ROOT / ".dockerignore").read_text())


def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Ask over HTTP; return status and body, 0 where nobody answers."""
    try:
        with urlopen(Request(url, headers=headers or {}), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except (URLError, OSError):
        return 0, ""
