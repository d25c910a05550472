"""Each message of the troubleshooting page is one that the code says."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("contracts", "tradepulse", "market_ingest", "signal_svc", "rl_svc", "executor_svc",
            "optimizer_svc", "studio_svc")  # fmt: skip


def said_by_code() -> str:
    """Return every text of the code; what is put into one parts it."""
    return "\n".join(
        node.value
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_every_message_is_one_of_the_code() -> None:
    page = (ROOT / "docs" / "guides" / "troubleshooting.md").read_text()
    # inner backticks ask for two around
    messages = [text for _, text in re.findall(r"(?m)^\| (`+)(.+?)\1 \| ", page)]
    assert len(messages) > 35
    code = said_by_code()
    pieces = {
        piece.strip()
        for text in messages
        for piece in text.split("…")
        if len(piece.strip(" ;:,()")) > 3
    }
    assert not [piece for piece in sorted(pieces) if piece not in code]
