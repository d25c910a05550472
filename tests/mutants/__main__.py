"""Plant single faults, run the tests that ought to notice, and say which they did not.

    python -m tests.mutants --area account --count 25
    python -m tests.mutants                            all areas
    python -m tests.mutants --table                    only the table of what was tried

Works on a copy of the project. What was tried is kept in a file and not tried again, so a run can
be stopped and gone on with. `make mutants` runs it, by hand or at night: it takes hours.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tests.mutants.areas import AREAS, Area
from tests.mutants.faults import Fault, faults_of
from tradepulse.embedded.children import Children
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
console = Console()


def chosen(area: Area, count: int, seed: int) -> list[Fault]:
    """Return faults of an area, drawn so that every module has its share."""
    paths = sorted({path for pattern in area.modules for path in ROOT.glob(pattern)})
    by_module = []
    for path in paths:
        faults = list(faults_of(str(path.relative_to(ROOT)), path.read_text()))
        random.Random(f"{seed}:{path.name}").shuffle(faults)
        by_module.append(faults)
    drawn: list[Fault] = []
    while len(drawn) < count and any(by_module):
        for faults in by_module:
            if faults and len(drawn) < count:
                drawn.append(faults.pop())
    return drawn


def equivalents() -> dict[str, str]:
    """Return the faults that change nothing anyone could see, with the reason."""
    if not EQUIVALENT.exists():
        return {}
    return {one["fault"]: one["reason"] for one in tomllib.loads(EQUIVALENT.read_text())["same"]}


class Bench:
    """A copy of the project that tests run in."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(folder)}
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        page = ROOT / "studio_svc/web/dist"
        if page.exists():
            shutil.copytree(page, folder / "studio_svc/web/dist")

    def passes(self, area: Area, patience_s: float) -> tuple[bool, str]:
        """Return whether the area's tests pass, and the last line of what they said."""
        tests = [test for test in area.tests if (self._folder / test).exists()]
        # files of one name in two folders do not go into one run; the quick folder comes first
        for _, together in groupby(tests, lambda test: test.split("/")[1]):
            passed, how = self._run(list(together), patience_s)
            if not passed:
                return False, how
        return True, ""

    def _run(self, tests: list[str], patience_s: float) -> tuple[bool, str]:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
                cwd=self._folder,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=patience_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False, "they do not end"
        said = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return done.returncode == 0, said[0][:200] if said else ""

    def try_one(self, fault: Fault, area: Area, patience_s: float) -> tuple[bool, str]:
        """Plant a fault, return whether the tests noticed and how, and take it out again."""
        place = self._folder / fault.path
        source = place.read_text()
        kept = place.stat()
        try:
            place.write_text(fault.planted(source))
            passed, how = self.passes(area, patience_s)
        finally:
            place.write_text(source)
            # numba's cache goes by the time of change: what was compiled before is good again
            os.utime(place, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        return not passed, how


@asynccontextmanager
async def servers(areas: list[Area]) -> Iterator[dict[str, str]]:  # type: ignore[misc]  # async
    """One broker and one database for all that need them."""
    if not any(area.needs_servers for area in areas):
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="tpm-") as folder:
        async with Children() as children:
            kafka = EmbeddedKafka(Path(folder) / "kafka", children)
            postgres = EmbeddedPostgres(Path(folder) / "postgres", children, durable=False)
            await asyncio.gather(kafka.start(), postgres.start())
            yield {
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "DATABASE_URL": postgres.url(),
            }
            await asyncio.gather(kafka.stop(), postgres.stop())


def run_area(bench: Bench, area: Area, faults: list[Fault], results: Path) -> None:
    """Try the faults of an area that were not tried before."""
    begun = time.monotonic()
    passed, how = bench.passes(area, 3_600)
    if not passed:
        raise SystemExit(f"{area.name}: the tests fail without a fault: {how}")
    patience_s = 60 + 4 * (time.monotonic() - begun)
    for fault in track(faults, area.name, console=console):
        noticed, how = bench.try_one(fault, area, patience_s)
        row = {"area": area.name, "fault": fault.key, "line": fault.line}
        with results.open("a") as file:
            file.write(json.dumps({**row, "noticed": noticed, "how": how}) + "\n")


def told(results: Path) -> None:
    """Print the table by area, and every fault that was not noticed."""
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    same = equivalents()
    console.print(
        "| area | planted | of them without effect | noticed | share |\n|---|---|---|---|---|"
    )
    for area in AREAS:
        mine = [row for row in rows if row["area"] == area.name]
        if not mine:
            continue
        without = [row for row in mine if not row["noticed"] and row["fault"] in same]
        noticed = sum(row["noticed"] for row in mine)
        share = 100 * noticed / max(1, len(mine) - len(without))
        console.print(f"| {area.name} | {len(mine)} | {len(without)} | {noticed} | {share:.0f} % |")
    for row in rows:
        if not row["noticed"] and row["fault"] not in same:
            console.print(f"not noticed: {row['fault']}", markup=False, highlight=False)


async def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--area", action="append", choices=[area.name for area in AREAS])
    parser.add_argument("--count", type=int, default=20, help="faults for each area")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=ROOT / ".mutants.jsonl")
    parser.add_argument("--table", action="store_true", help="only tell what was tried")
    asked = parser.parse_args()
    asked.results.touch()
    areas = [area for area in AREAS if not asked.area or area.name in asked.area]
    if not asked.table:
        tried = {json.loads(line)["fault"] for line in asked.results.read_text().splitlines()}
        with tempfile.TemporaryDirectory(prefix="tpm-") as folder:
            async with servers(areas) as environment:
                bench = Bench(Path(folder), environment)
                for area in areas:
                    left = [
                        fault
                        for fault in chosen(area, asked.count, asked.seed)
                        if fault.key not in tried
                    ]
                    if left:
                        await asyncio.to_thread(run_area, bench, area, left, asked.results)
    told(asked.results)


if __name__ == "__main__":
    asyncio.run(main())
