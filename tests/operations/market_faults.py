"""What venues do, and what becomes of stored candles and of the account's figures."""

import asyncio
from uuid import uuid4

from tests.fakes.exchange.faults import (
    DropSocket,
    Halt,
    LostMessage,
    RateLimited,
    RefuseSocket,
    ServerError,
)
from tests.operations.faults import Faults
from tradepulse.market_data.gaps.store import SCAN_CHANNEL
from tradepulse.market_data.subscriptions import subscribe, unsubscribe
from tradepulse.research.jobs import JobSpec
from tradepulse.runtime.db import connect

MINUTE = 60_000
KRAKEN = "(select series from candle_series where exchange = 'kraken')"
NO_SYMBOL = JobSpec(
    strategies=("sma_cross",), exchange="kraken", symbols=("NO/USD",), timeframe="1m", trials=1
)


class MarketFaults:
    """What is done to the venues and to the candles of a running system."""

    def __init__(self, of: Faults) -> None:
        self.of = of

    def _plan(self, *faults: object, venue: str | None = None, s: float, share: float = 1) -> None:
        until = self.of.fake.clock.now + round(s * 1000)
        for fault in faults:
            self.of.fake.faults.add(fault, venue=venue, probability=share, until=until)

    async def cut_off(self, seconds: float = 300) -> None:
        """Take a venue away."""
        self._plan(ServerError(), DropSocket(), RefuseSocket(), venue="kraken", s=seconds)

    async def break_streams(self) -> None:
        """Let streams break at every second message."""
        self._plan(DropSocket(), s=300, share=0.5)

    async def refuse_streams(self) -> None:
        """Let a venue answer questions, and give no streams."""
        self._plan(DropSocket(), RefuseSocket(), venue="binanceus", s=300)

    async def lose_messages(self) -> None:
        """Let most of the messages get lost."""
        self._plan(LostMessage(), venue="binanceus", s=300, share=0.9)

    async def limit_rate(self) -> None:
        """Let a venue send everybody away for most of a minute, again and again."""
        self._plan(RateLimited(50), venue="kraken", s=300)

    async def deny(self) -> None:
        """Let a venue know nothing of what its stream has just told."""
        clock = self.of.fake.clock
        while not 3_500 < clock.now % MINUTE < 6_000:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.2)
        slot = clock.now // MINUTE * MINUTE
        self.of.fake.faults.add(Halt(slot - MINUTE, slot), venue="kraken")

    async def right_again(self) -> None:
        """Let everything go right again."""
        self.of.fake.faults.clear()

    async def subscribe_nonsense(self, *, undo: bool = False) -> None:
        """Subscribe to what no venue has, or no more."""
        connection = await connect(self.of.system.database_url)
        await (unsubscribe if undo else subscribe)(connection, "kraken", "NO/USD", "1m")
        await connection.close()

    # stored candles

    async def scan(self) -> None:
        """Ask for a scan of everything."""
        await self.of.execute(f"notify {SCAN_CHANNEL}")

    async def impossible(self) -> None:
        """Store a candle that cannot be, older than what the venue still serves."""
        await self.of.execute(
            "insert into candles (series, open_time, open, high, low, close, volume, source) "
            "select series, min(open_time) - 86400000, 5, 1, 9, 5, 1, 'import' from candles "
            f"where series = {KRAKEN} group by series"
        )
        await self.scan()

    async def possible(self) -> None:
        """Remove it."""
        await self.of.execute("delete from candles where high < low")
        await self.of.execute("delete from candle_series where exchange = 'elsewhere'")
        await self.scan()

    async def lose_candles(self) -> None:
        """Remove stored candles while nobody can be asked for them."""
        await self.cut_off()
        await self.lose_some()

    async def lose_some(self) -> None:
        """Remove candles, four of twelve, and what was noted of them."""
        await self.of.execute("delete from venue_answers")
        await self.of.execute(
            "delete from candles where open_time / 60000 % 12 < 4 and open_time < "
            f"(select max(open_time) - 600000 from candles) and series = {KRAKEN}"
        )
        await self.scan()

    async def refuse_notes(self) -> None:
        """Let no repair be noted, by a right that somebody took away."""
        await self.of.execute("revoke insert on gap_repairs from market_ingest")
        await self.lose_some()

    async def refuse_findings(self) -> None:
        """Let no gap be entered."""
        await self.of.execute("revoke insert on data_gaps from market_ingest")
        await self.lose_some()

    async def give_up(self, *, undo: bool = False) -> None:
        """Enter that a hole whose candles exist cannot be mended."""
        await self.of.execute(
            "update data_gaps set status = $1, cause = 'missed' where gap_id = "
            "(select max(gap_id) from data_gaps where kind = 'hole')",
            "repaired" if undo else "unrepairable",
        )

    # jobs, configurations, models

    async def queue(self, hours_ago: float = 0) -> None:
        """Queue a search on a symbol that has no candles."""
        await self.of.execute(
            "insert into training_jobs (job_id, spec, created_at) "
            "values ($1, $2, now() - $3 * interval '1 hour')",
            *(uuid4(), NO_SYMBOL.model_dump(mode="json"), hours_ago),
        )

    async def leave_queued(self) -> None:
        """Queue one that nobody takes."""
        await self.of.end("optimizer_svc")
        await self.queue(7)

    async def more_active(self) -> None:
        """Store active configurations that no topic has."""
        await self.of.execute(
            "insert into trained_configurations (configuration_id, strategy, exchange, symbol, "
            "timeframe, params, stage, is_active) select gen_random_uuid(), 'sma_cross', 'kraken', "
            "'ETH/USD', '1m', '{}', 'PAPER', true from generate_series(1, 9)"
        )

    async def lose_edge(self) -> None:
        """Let a configuration lose in each trade what it won in its validation."""
        await self.of.execute(
            "with made as (insert into trained_configurations (configuration_id, strategy, "
            "exchange, symbol, timeframe, params, stage, reference_returns, reference_source) "
            "select gen_random_uuid(), 'rsi_reversion', 'kraken', 'ETH/USD', '1m', '{}', 'PAPER', "
            "array(select 0.01 + 0.0001 * n from generate_series(1, 60) n), 'in-sample' "
            "returning configuration_id) "
            "insert into positions (position_id, account, configuration_id, exchange, symbol, "
            "timeframe, side, quantity, entry_time, entry_price, exit_time, exit_price, "
            "exit_reason, fees, profit) select gen_random_uuid(), 'main', configuration_id, "
            "'kraken', 'ETH/USD', '1m', 'long', 1, now() - n * interval '1 hour', 100, "
            "now() - n * interval '1 hour' + interval '1 minute', 95, 'signal', 0, -5 - 0.001 * n "
            "from made, generate_series(1, 120) n"
        )

    async def forget_edge(self) -> None:
        """Remove its trades, which the account never made."""
        await self.of.execute(
            "delete from positions using trained_configurations k where k.strategy = "
            "'rsi_reversion' and k.configuration_id = positions.configuration_id"
        )

    async def harmful_model(self) -> None:
        """Put a model in service whose file is damaged and whose days speak against it."""
        model = uuid4()
        await self.of.execute(
            "insert into rl_models (model_id, portfolio, name, stage, timeframe, instruments, mode,"
            " passed, artifact, artifact_sha256, manifest) values ($1, 'main', 'provoked', "
            "'ACTIVE', '1m', '{binanceus:BTC/USD}', 'signals', true, 'x', 'x', '{}')",
            model,
        )
        await self.of.execute(
            "insert into rl_model_events (model_id, from_stage, to_stage, reason, by_person) "
            "values ($1, 'SHADOW', 'ACTIVE', 'provoked', true)",
            model,
        )
        await self.of.execute(
            "insert into rl_model_days (model_id, day, begun, closes, evidence, bound) select "
            "$1, date_trunc('day', now()) - interval '1 day', max(id), 48, 30, 100 "
            "from rl_model_events",
            model,
        )
        await self.of.start_anew("rl_svc")

    async def no_model(self) -> None:
        """Take it out of service."""
        await self.of.execute("update rl_models set stage = 'RETIRED'")
        await self.of.start_anew("rl_svc")

    # the account

    async def lose_money(self) -> None:
        """Let two fifths of the cash be gone, and executor_svc begin anew with that."""
        await self.of.end("executor_svc")
        await self.of.execute("update accounts set cash = cash - 0.4 * initial_cash")
        await self.of.bring_back("executor_svc")

    async def find_money(self) -> None:
        """Give it back."""
        await self.of.end("executor_svc")
        await self.of.execute("update accounts set cash = cash + 0.4 * initial_cash")
        await self.of.bring_back("executor_svc")

    async def old_weights(self) -> None:
        """Let the binding weights be three hours older, and nobody decide new ones."""
        await self.of.end("rl_svc")
        # until executor_svc has no newer ones before it
        await asyncio.sleep(75)
        await self.of.end("executor_svc")
        await self.of.execute(
            "update event_time_positions set state = jsonb_set(state, '{weights,decided_at}', "
            "to_jsonb((state #>> '{weights,decided_at}')::bigint - 10800000)) "
            "where consumer = 'executor:main'"
        )
        await self.of.bring_back("executor_svc")

    async def hang_executor(self) -> None:
        """Lock the ledger, and let executor_svc begin anew before it."""
        await self.of.lock("orders")
        self.of.system.kill("executor_svc")

    async def lock_often(self) -> None:
        """Ask much of studio_svc while a table that it reads is locked again and again."""
        await self.of.ask_much("/api/orders")
        for _ in range(15):
            await self.of.lock("orders")
            await asyncio.sleep(3)
            await self.of.let_go()
            await asyncio.sleep(0.3)
