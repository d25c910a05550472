"""The API's document in the repository is that of the code."""

from pathlib import Path

from studio_svc.openapi import document, text

KEPT = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"


def test_the_document_is_the_one_that_is_kept() -> None:
    assert KEPT.read_text(encoding="utf-8") == text(), (
        "the API has changed: `.venv/bin/python -m studio_svc.openapi docs/reference/openapi.json`"
    )


def test_what_money_is_is_said() -> None:
    cash = document()["components"]["schemas"]["OverviewView"]["properties"]["cash"]
    assert cash["anyOf"][0] == {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
