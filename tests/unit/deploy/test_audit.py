"""An audit that could not ask for everything does not pass for one that found nothing."""

import runpy
from pathlib import Path
from typing import Any

import pytest

AUDIT = runpy.run_path(str(Path(__file__).parents[3] / "deploy" / "audit.py"))
judged = AUDIT["judged"]
CLEAN = {"name": "six", "version": "1.17.0", "vulns": []}
KNOWN = {
    "name": "old",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}],
}
UNFIXED = {"name": "new", "version": "2", "vulns": [{"id": "GHSA-2", "fix_versions": []}]}
SKIPPED = {"name": "six", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("found", "lines", "status"),
    [
        ([CLEAN, CLEAN], ["no known vulnerabilities in 2 packages"], 0),
        ([CLEAN, KNOWN], ["old 1.0: PYSEC-1, CVE-1; fixed in 1.1"], 1),
        ([UNFIXED], ["new 2: GHSA-2; fixed in no version yet"], 1),
        (
            [KNOWN, SKIPPED],
            [
                "old 1.0: PYSEC-1, CVE-1; fixed in 1.1",
                "not checked: of 1 of 2 packages no vulnerability data can be had here (six …)",
            ],
            2,
        ),
    ],
)
def test_a_report_is_judged(found: list[dict[str, Any]], lines: list[str], status: int) -> None:
    assert judged({"dependencies": found}) == (lines, status)
