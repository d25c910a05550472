"""Live, market_ingest reads no candle files and does without polars, 170 MB."""

import subprocess
import sys

LEAN = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"polars", "pyarrow", "numba", "scipy"}:
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
from market_ingest.app import LIVE
from market_ingest.settings import LiveSettings
print(LIVE.settings is LiveSettings)
"""


def test_live_needs_no_polars() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LEAN], capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.returncode) == ("True\n", 0), ended.stderr
