"""The path of a candle, measured: read, through signal_svc, into the ledger, from publish to order.

    python bench/path.py                 everything, on a broker and database of its own
    python bench/path.py --only signals  one part: reading, signals, ledger, closes, rest, latency

Each part prints what it did and how fast. Reading is compared with a loop over the plain client and
with FastStream as its tutorial shows it. The peer of signal_svc is the same work in the framework's
first way: one handler call, one pydantic model and one publish a message. A peer that ends before
its work is done is told of, and left out.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from path_close import closes
from path_rest import rest
from path_run import MINUTE, T0, Run, announced, console, keyed, walk

from contracts.events import OrderDecided
from contracts.topics import ACCOUNT, CANDLES, EVALUATIONS, FEEDS
from tradepulse.embedded.children import Children
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect

CLOSES = ((50, 0.0), (300, 0.0), (1_000, 0.0), (1_000, 1.0), (5_000, 0.0))
"""Series that close together, and over how many seconds their candles come."""


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Return the processor time that a running process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def reading(folder: Path, children: Children, count: int, rounds: int = 3) -> None:
    """Microseconds a candle, read in each way, all in turn and several times."""
    ways = ("own", "service", "own-pydantic", "service-pydantic", "tutorial")
    symbols = [f"S{i}/USD" for i in range(12)]
    candles = [c for close in walk(symbols, count // len(symbols)) for c in close]
    async with Run(folder, children) as run:
        await run.publish(CANDLES, keyed(candles))
        found: dict[str, list[float]] = {way: [] for way in ways}
        program = str(Path(__file__).parent / "peer_reading.py")
        for _ in range(rounds):
            for way in ways:
                took = await run.answer(program, way, str(len(candles)))
                if took is not None:
                    found[way].append(float(took))
        base = np.median(found["own"] or [np.nan])
        for way, each in found.items():
            median = np.median(each or [np.nan])
            told = ", ".join(f"{one:.1f}" for one in each) or "none"
            console.print(
                f"{way:>18}: {told} µs a candle, median {median:.1f}, {median / base:.2f} x own"
            )


async def signals(folder: Path, children: Children, count: int, peer_count: int) -> None:
    """Candles per second through signal_svc, from a full topic, against the usual way."""
    symbols = [f"S{i}/USD" for i in range(12)]
    candles = [c for close in walk(symbols, count // len(symbols)) for c in close]
    async with Run(folder, children) as run:
        await run.activate(symbols, 20, 50)
        await run.publish(CANDLES, keyed(candles))
        rates = {}
        for name, command, wanted in (
            ("signal_svc", ("-m", "signal_svc.app"), len(candles)),
            ("one by one", (str(Path(__file__).parent / "peer_one_by_one.py"),), peer_count),
        ):
            async with run.reader(EVALUATIONS, latest=True) as reader:
                process = run.start(*command)
                seen, begun, cpu, first = 0, 0.0, 0.0, 0
                while seen < wanted and process.poll() is None:
                    batch = await reader.next_batch()
                    if batch and not seen:
                        begun, cpu, first = time.perf_counter(), cpu_seconds(process), len(batch)
                    seen += len(batch)
                if process.poll() is not None:
                    console.print(
                        f"{name:>12}: ended after {seen:,} candles: {run.words(*command)}"
                    )
                    continue
                seconds = time.perf_counter() - begun
                used = cpu_seconds(process) - cpu
                rates[name] = (seen - first) / seconds
                console.print(
                    f"{name:>12}: {seen:,} candles in {seconds:.2f} s = {rates[name]:,.0f} a second"
                    f", {used / (seen - first) * 1e6:.1f} µs of processor each "
                    f"({(seen - first) / used:,.0f} a second of one core)"
                )
                process.kill()
                process.wait()
        if len(rates) == 2:
            console.print(f"       ratio: {rates['signal_svc'] / rates['one by one']:.1f}")


async def ledger(folder: Path, children: Children, count: int) -> None:
    """Candles per second through the executor, from full topics to stored decisions."""
    symbols = [f"S{i}/USD" for i in range(5)]
    closes = walk(symbols, count // len(symbols))
    async with Run(folder, children) as run:
        await run.activate(symbols, 5, 20)
        event = announced(symbols, len(closes))
        await run.publisher.send(FEEDS, event.feed, event.model_dump_json().encode())
        await run.publish(CANDLES, keyed(c for close in closes for c in close))
        evaluating = run.start("-m", "signal_svc.app")
        deciding = run.start("-m", "rl_svc.app", POLICY="equal")
        connection = await connect(run.postgres.url())
        last = closes[-1][0].close_time
        evaluated = 0
        async with run.reader(EVALUATIONS) as reader:
            while evaluated < len(closes) * len(symbols):
                evaluated += len(await reader.next_batch())
                run.check(evaluating)
        while await connection.fetchval("select count(*) from portfolio_weights") < len(
            closes
        ) or await connection.fetchval("select count(*) from outbox"):
            run.check(deciding)
            await asyncio.sleep(0.5)
        for process in (evaluating, deciding):
            process.kill()
            process.wait()
        executing = run.start("-m", "executor_svc.app", INITIAL_CASH="1000000")
        # the start of the clients is no throughput
        warm = closes[len(closes) // 10][0].close_time
        settled, begun, cpu, first = 0, 0.0, 0.0, 0
        while settled < last:
            run.check(executing)
            found = await connection.fetchval(
                "select settled_time from event_time_positions where consumer = 'executor:main'"
            )
            if found and found >= warm and not begun:
                begun, cpu, first = time.perf_counter(), cpu_seconds(executing), found
            settled = found or 0
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - begun
        used = cpu_seconds(executing) - cpu
        done = (last - first) // MINUTE * len(symbols)
        orders = await connection.fetchval("select count(*) from orders")
        await connection.close()
        console.print(
            f"    executor: {done:,} candles with their evaluations and weights in {seconds:.2f} s "
            f"= {done / seconds:,.0f} a second to the stored decision ({orders:,} orders), "
            f"{used / done * 1e6:.1f} µs of processor each "
            f"({done / used:,.0f} a second of one core)"
        )


async def latency(folder: Path, children: Children, rate: int, seconds: int) -> None:
    """Time from the publishing of a close's candles to the receipt of an order on it."""
    symbols = [f"S{i}/USD" for i in range(10)]
    closes = walk(symbols, rate * seconds // len(symbols))
    async with Run(folder, children) as run:
        await run.activate(symbols, 2, 5)
        connection = await connect(run.postgres.url())
        await store_candles(connection, [c for close in closes for c in close], "replay")
        await connection.close()
        event = announced(symbols, None)
        await run.publisher.send(FEEDS, event.feed, event.model_dump_json().encode())
        for service in ("signal_svc", "rl_svc", "executor_svc"):
            run.start("-m", f"{service}.app", POLICY="equal", INITIAL_CASH="1000000")
        reader = await run.reader(ACCOUNT, latest=True).__aenter__()
        sent: dict[int, float] = {}
        took: list[float] = []
        warm = T0 + len(closes) // 5 * MINUTE

        async def receive() -> None:
            while True:
                batch = await reader.next_batch()
                now = time.perf_counter()
                took.extend(
                    now - sent[order.decided_at]
                    for order in batch
                    # stops and exits that fill at an open were decided a close earlier
                    if isinstance(order, OrderDecided)
                    and order.status == "OPEN"
                    and order.decided_at > warm
                )

        receiving = asyncio.create_task(receive())
        await asyncio.sleep(8)
        begun = time.perf_counter()
        for number, close in enumerate(closes):
            await asyncio.sleep(
                max(0.0, begun + number * len(symbols) / rate - time.perf_counter())
            )
            sent[close[0].close_time] = time.perf_counter()
            await run.publisher.send_many(CANDLES, keyed(close))
        await asyncio.sleep(3)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        await reader.__aexit__(None, None, None)
        p50, p99 = np.percentile(np.array(took) * 1000, [50, 99])
        console.print(
            f"     latency: {rate:,} candles a second for {seconds} s, publish to order received: "
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(took) * 1000:.1f} ms "
            f"({len(took):,} orders)"
        )


async def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", choices=["reading", "signals", "ledger", "latency", "closes", "rest"]
    )
    parser.add_argument("--candles", type=int, default=600_000)
    asked = parser.parse_args()
    console.print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(prefix="tpb-") as folder:
        async with Children() as children:
            at = Path(folder)
            if asked.only in (None, "reading"):
                await reading(at / "r", children, asked.candles // 3)
            if asked.only in (None, "signals"):
                await signals(at / "s", children, asked.candles, 10_000)
            if asked.only in (None, "ledger"):
                await ledger(at / "l", children, asked.candles // 6)
            if asked.only in (None, "closes"):
                for number, (count, over_s) in enumerate(CLOSES):
                    await closes(at / f"c{number}", children, count, over_s=over_s)
            if asked.only in (None, "rest"):
                await asyncio.to_thread(rest, at / "i")
            if asked.only in (None, "latency"):
                await latency(at / "a", children, 100, 30)
                await latency(at / "b", children, 1_000, 20)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    console.print(f"largest process: {peak:.0f} MiB")


if __name__ == "__main__":
    asyncio.run(main())
