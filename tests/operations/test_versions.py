"""Versions side by side: one replay, rolled from the stable release to the present code and back.

The database has the present schema, the topics have what three versions say: the release, the
present code, and a next one whose candles have gained a field and a source.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from rollout import ORDER, OWNED
from system import (
    START,
    System,
    configurations_for,
    demo_candles,
    expected,
    last_close,
    trade_rows,
)
from topic_reader import TopicReader
from versions import ROOT, next_version, stable_release, taken_away, uses

from contracts.topics import ACCOUNT, CANDLES, CONFIGURATIONS, FEEDS, TOPICS
from tradepulse.candles.arrays import Candles
from tradepulse.runtime.db import connect
from tradepulse.runtime.publisher import Publisher
from tradepulse.trading.weights import InverseVolatility

pytestmark = pytest.mark.integration
DAYS = 60
DAY = 86_400_000
PATIENCE_S = 400
SLOW = str(DAY / 1000 / 15)
"""A day of the replay in fifteen seconds: it is not over while the versions change."""
ANOTHER = {"exchange": "x", "symbol": "A/B", "timeframe": "45m", "said_since": {"n": [1]}}
NEWER = (
    (FEEDS, {"feed": "next", "series": [ANOTHER | {"first_open_time": 0}]}),
    (
        CANDLES,
        ANOTHER
        | {"open_time": 0, "close_time": 2_700_000, "source": "live", "volume": 1}
        | dict.fromkeys(("open", "high", "low", "close"), 1),
    ),
    (
        CONFIGURATIONS,
        {
            "configuration_id": str(uuid5(NAMESPACE_URL, "next")),
            "revision": 1,
            "strategy": "of_the_next",
            "exchange": "x",
            "symbol": "A/B",
            "timeframe": "1h",
            "params": {},
            "stage": "CANARY",
            "is_active": False,
        },
    ),
    (ACCOUNT, {"type": "funding", "account": "main", "amount": "1.00"}),
)
"""What else a next version says; nobody's trades hang on it."""
DECODE = """
import sys
from prometheus_client import CollectorRegistry
from contracts.topics import TOPICS
from tradepulse.runtime.newer import NewerWords

words = NewerWords(CollectorRegistry())
decoders = {topic.name: words.decoder_of(topic) for topic in TOPICS}
for line in sys.stdin.buffer:
    name, _, value = line.rstrip(b"\\n").partition(b" ")
    decoders[name.decode()](value)
"""


class SideBySide:
    """The services of a system, each of which may run on another version."""

    def __init__(self, system: System, env: dict[str, dict[str, str]]) -> None:
        self.system = system
        self._env = env
        self._running: dict[str, str] = {}

    async def replace(self, service: str, code: Path, **env: str) -> None:
        """Start a service on a version, then end the one on another, as an operator does."""
        former = self._running.pop(service, None)
        self._env[service] |= env
        name = f"{service}-{len(list(self.system.folder.glob(f'{service}-*.log')))}-{code.name}"
        if service == "market_ingest" and former:
            # a second replay of one feed would publish all of it again
            await self.system.end(former)
        self.system.code = code
        self.system.start(name, module=f"{service}.app", **self._env[service])
        if service in OWNED and former:
            await self._wait_for_standby(service)
        else:
            await self.system.logged("service started", [name], PATIENCE_S)
        if service != "market_ingest" and former:
            await self.system.end(former)
            await self.system.logged("service started", [name], PATIENCE_S)
        self._running[service] = name

    async def _wait_for_standby(self, service: str) -> None:
        connection = await connect(self.system.database_url)
        sessions = (
            "select count(distinct application_name) from pg_stat_activity "
            "where datname = current_database() and application_name like $1 || ' %'"
        )
        async with asyncio.timeout(PATIENCE_S):
            while await connection.fetchval(sessions, service) < 2:
                self.system.none_has_ended()
                await asyncio.sleep(0.1)
        await connection.close()

    async def settle(self, days: float) -> None:
        """Let the ledger go on for some days."""
        until = await self.system.settled() + int(days * DAY)
        await self.system.wait_settled(until, PATIENCE_S)

    def log_of(self, service: str) -> str:
        """Return what the service's present process has said."""
        return (self.system.folder / f"{self._running[service]}.log").read_text()


async def prepared(system: System, candles: Sequence[Candles]) -> SideBySide:
    """Make a system ready on the present schema; nothing runs yet."""
    configurations = configurations_for(candles, of_release=True)
    replay = await system.prepare_replay(candles, configurations, speed=SLOW)
    token = system.folder / "token"
    token.write_text("a-token-of-the-test-of-versions")
    env: dict[str, dict[str, str]] = {service: {} for service in ORDER}
    # it is to watch nobody's trades: what it found would change what trades
    env |= {"market_ingest": replay, "optimizer_svc": {"ACCOUNT": "nobody"}}
    return SideBySide(system, env | {"studio_svc": {"STUDIO_TOKEN_FILE": str(token)}})


async def test_versions_run_side_by_side(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    release, next_one = stable_release(tmp_path), next_version(tmp_path)
    candles = demo_candles(DAYS)
    result = expected(candles, configurations_for(candles, of_release=True), InverseVolatility(96))
    system = System(kafka_bootstrap, database_url, tmp_path)
    rollout = await prepared(system, candles)
    try:
        # the release on the present schema, and what a next version says to it
        *readers, writer = ORDER
        await asyncio.gather(*(rollout.replace(service, release) for service in readers))
        await rollout.replace(writer, release)
        await publish_newer(kafka_bootstrap)
        await rollout.settle(0.1)
        for service, words in {
            "executor_svc": ["timeframe '45m'"],
            "rl_svc": ["timeframe '45m'"],
            "signal_svc": ["timeframe '45m'", "stage 'CANARY'"],
            "studio_svc": ["timeframe '45m'", "stage 'CANARY'", "type 'funding'"],
        }.items():
            log = rollout.log_of(service)
            assert all(f"{word} is unknown" in log for word in words), (service, log[-3000:])
        # one after another to the present code, the ledger going on
        for service in ORDER:
            await rollout.replace(service, ROOT)
            await rollout.settle(0.1)
        # the next version's candles, for the present code and for the release
        await rollout.replace("market_ingest", next_one)
        await rollout.settle(0.1)
        for service in ("signal_svc", "executor_svc"):
            assert "source 'resampled' is unknown" in rollout.log_of(service)
            await rollout.replace(service, release)
            await rollout.settle(0.1)
            assert "source 'resampled' is unknown" in rollout.log_of(service)
        assert await system.settled() < START + DAYS * DAY, "the replay was over too early"
        await rollout.replace("market_ingest", next_one, REPLAY_SPEED="max")
        await system.wait_settled(last_close(candles), PATIENCE_S)
        await system.outbox_is_empty()
        system.none_has_ended()
    finally:
        system.stop()
    assert len(result.trades) > 500
    # where a rule was meant to change: raise RULES_VERSION, and name its commit in RELEASE
    assert await system.trades() == trade_rows(result)
    assert await dead_letters(kafka_bootstrap) == []
    await release_reads_everything(kafka_bootstrap, release)


def test_migrations_since_the_release_take_nothing_from_it(tmp_path: Path) -> None:
    """First add, and drop a release later: until then the release's code runs on it."""
    release = stable_release(tmp_path)
    folder = Path("tradepulse/migrations")
    for path in sorted((ROOT / folder).glob("*.sql")):
        before = release / folder / path.name
        if before.exists():
            assert before.read_text() == path.read_text(), f"{path.name} was changed"
            continue
        for name in taken_away(path.read_text()):
            assert uses(release, name) == [], f"{path.name} takes {name} from the release"
    assert uses(release, "event_time_positions")
    assert not uses(release, "no_such_column")


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("drop table orders; DROP VIEW IF EXISTS candles_of;", {"orders", "candles_of"}),
        ("alter table orders\n    drop column reason,\n    add column why text;", {"reason"}),
        ("alter table orders rename column reason to why", {"reason"}),
        ("alter table orders rename to requests", {"orders"}),
        ("alter table orders alter column reason set not null", {"reason"}),
        ("alter table orders alter column reason type bytea", {"reason"}),
        ("alter table orders add column a int not null, add column b int", {"a"}),
        ("alter table orders add column a int not null default 0, add column b int", set()),
        ("-- drop table orders\ncreate table more (a int not null); drop index i", set()),
        ("alter table orders drop constraint c, add check (status in ('OPEN', 'NEW'))", set()),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_a_migration_takes_away_is_seen(sql: str, names: set[str]) -> None:
    assert taken_away(sql) == names


def test_a_release_that_this_checkout_lacks_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "RELEASE"
    named.write_text("v9.9.9\n")
    monkeypatch.setattr("versions.RELEASE", named)
    with pytest.raises(pytest.fail.Exception) as refused:
        stable_release(tmp_path)
    (line,) = str(refused.value).splitlines()
    assert line.startswith("the stable release v9.9.9 (tests/operations/RELEASE) is not in this")
    assert "git fetch --unshallow --tags" in line


async def publish_newer(bootstrap: str) -> None:
    """Say what a next version says."""
    publisher = await Publisher(bootstrap, "test").start()
    for topic, event in NEWER:
        await publisher.send(topic, "next", json.dumps(event).encode())
    await publisher.stop()


async def dead_letters(bootstrap: str) -> list[bytes]:
    """Return what lies in the dead-letter topics."""
    found: list[bytes] = []
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    partitions = [TopicPartition(topic.dead_letters, 0) for topic in TOPICS]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    for partition, end in (await consumer.end_offsets(partitions)).items():
        while await consumer.position(partition) < end:
            found.append((await consumer.getone(partition)).value)
    await consumer.stop()
    return found


async def release_reads_everything(bootstrap: str, release: Path) -> None:
    """Let the release's contract decode all that three versions have said."""
    lines: list[bytes] = []
    for topic in TOPICS:
        async with TopicReader(bootstrap, topic, decode=bytes) as reader:
            values = await reader.to_the_end()
        assert values, topic.name
        lines += [topic.name.encode() + b" " + value + b"\n" for value in values]
    assert any(b'"resampled"' in line and b'"trades":7' in line for line in lines)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", DECODE],
        cwd=release,
        input=b"".join(lines),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
