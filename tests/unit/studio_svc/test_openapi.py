"""The API's document and the page's types in the repository are those of the code."""

import html
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from studio_svc.openapi import DOCUMENT, TYPES, document, text, types
from studio_svc.system.docs_page import docs_page

JSON = "application/json"
DOCUMENT_NOW = document()
RENEW = "the API has changed: `.venv/bin/python -m studio_svc.openapi` renews it"


def test_the_document_is_the_one_that_is_kept() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == text(DOCUMENT_NOW), RENEW


def test_the_page_s_types_are_those_of_the_document() -> None:
    assert TYPES.read_text(encoding="utf-8") == types(DOCUMENT_NOW), RENEW


def test_types_are_written_as_typescript() -> None:
    properties = {
        "a": {"type": "integer"},
        "b": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Of\nb."},
        "c": {"type": "array", "items": {"enum": ["x", "y"], "type": "string"}},
        "d": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Two"}},
        "e": {},
        "f": {"type": "object", "additionalProperties": True},
        "g": {"const": "PAPER", "type": "string"},
    }
    written = types(
        {"components": {"schemas": {"One": {"properties": properties, "required": ["a", "b"]}}}}
    )
    assert written.partition("\nexport ")[2] == (
        "interface One {\n"
        "  a: number;\n"
        "  /** Of b. */\n"
        "  b: string | null;\n"
        '  c?: ("x" | "y")[];\n'
        "  d?: Record<string, Two>;\n"
        "  e?: unknown;\n"
        "  f?: Record<string, unknown>;\n"
        '  g?: "PAPER";\n'
        "}\n"
    )


def test_what_money_is_is_said() -> None:
    cash = DOCUMENT_NOW["components"]["schemas"]["OverviewView"]["properties"]["cash"]
    assert cash["anyOf"][0] == {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}


OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT_NOW["paths"].items()
    for method, operation in methods.items()
]


def examples(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Where an example stands, its schema, and the example."""
    for one in operation.get("parameters", []):
        yield one["name"], one["schema"], one["example"]
    told = {"body": operation.get("requestBody", {})}
    told |= {status: one for status, one in operation["responses"].items() if status < "300"}
    for where, one in told.items():
        if JSON in one.get("content", {}):
            yield where, one["content"][JSON]["schema"], one["content"][JSON]["example"]


def leaves(example: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(example, dict):
        for key, value in example.items():
            yield from leaves(value, key)
    elif isinstance(example, list):
        for value in example:
            yield from leaves(value, name)
    else:
        yield name, example


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_examples_are_what_the_document_says(name: str, operation: dict[str, Any]) -> None:
    told = list(examples(operation))
    is_json = any(JSON in one.get("content", {}) for one in operation["responses"].values())
    assert bool([where for where, _, _ in told if where in {"200", "201"}]) == is_json, name
    for where, schema, example in told:
        whole = json.loads(json.dumps({**schema, "components": DOCUMENT_NOW["components"]}))
        jsonschema.Draft202012Validator(whole).validate(example)
        # a text that nothing is known of is its own name
        untold = {field for field, value in leaves(example) if value == field}
        assert not untold, f"{name}, {where}: say what stands there in studio_svc/web_app/examples"


def test_every_operation_has_its_line_and_its_heading() -> None:
    headings = {tag["name"]: tag["description"] for tag in DOCUMENT_NOW["tags"]}
    assert all(headings.values())
    for name, operation in OPERATIONS:
        assert set(operation["tags"]) <= set(headings), name
        assert 10 < len(operation["summary"]) < 120, name
        assert not operation["summary"].endswith("."), name


def test_people_read_it_without_scripts() -> None:
    page = bytes(docs_page(DOCUMENT_NOW).body).decode()
    assert "<script" not in page
    assert "//" not in page.replace("</", "")
    for name, operation in OPERATIONS:
        assert f"<code>{name}</code> " in page
        assert page.count("<details>") == len(OPERATIONS)
        for where, _, example in examples(operation):
            if where in {"body", "200", "201"}:
                assert html.escape(json.dumps(example, indent=1, ensure_ascii=False)) in page
    assert (
        'curl -H "Authorization: Bearer $TOKEN" "$PAGE/api/candles?series=bitfinex:BTC/USD:30m"'
    ) in html.unescape(page)
    assert '-d \'{"reason": "traded well for a year", "stage": "PAPER"}\'' in html.unescape(page)
    assert "<td><code>limit</code><td>integer<td>default 100<td>how many rows, newest first" in page
