"""The API's document and the page's types in the repository are those of the code."""

from studio_svc.openapi import DOCUMENT, TYPES, document, text, types

RENEW = "the API has changed: `.venv/bin/python -m studio_svc.openapi` renews it"


def test_the_document_is_the_one_that_is_kept() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == text(document()), RENEW


def test_the_page_s_types_are_those_of_the_document() -> None:
    assert TYPES.read_text(encoding="utf-8") == types(document()), RENEW


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
    cash = document()["components"]["schemas"]["OverviewView"]["properties"]["cash"]
    assert cash["anyOf"][0] == {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
