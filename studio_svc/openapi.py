"""Writes the API's document, and the page's types out of it; nothing is asked, nothing connected.

`python -m studio_svc.openapi` renews both files in the repository.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from studio_svc.app import create_api
from studio_svc.stores import Stores
from studio_svc.stream.hub import Hub
from studio_svc.system.health import HealthWatch

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "reference" / "openapi.json"
TYPES = ROOT / "studio_svc" / "web" / "src" / "api" / "schema.gen.ts"
COOKIE = "tradepulse_ID"
"""In place of a name that depends on the token."""

_HEAD = """/**
 * What the API takes and answers. Made of docs/reference/openapi.json, never edited by hand:
 * `.venv/bin/python -m studio_svc.openapi`
 */
"""
_PLAIN: Final = {
    "integer": "number",
    "number": "number",
    "string": "string",
    "boolean": "boolean",
    "null": "null",
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the API."""
    nowhere: Any = None
    api = create_api(
        Stores.over(nowhere, "main", "main"), Hub(), HealthWatch({}, httpx.AsyncClient()), COOKIE
    )
    return api.openapi()


def text(described: Mapping[str, Any]) -> str:
    """Return a document as it is kept in the repository."""
    return json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def types(described: Mapping[str, Any]) -> str:
    """Return the TypeScript interfaces of everything that a document names."""
    schemas: Mapping[str, Any] = described["components"]["schemas"]
    return _HEAD + "".join(
        f"\nexport interface {name} {{\n{''.join(_fields(schema))}}}\n"
        for name, schema in sorted(schemas.items())
    )


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        if "description" in field:
            yield f"  /** {' '.join(field['description'].split())} */\n"
        yield f"  {name}{'' if name in required else '?'}: {_type(field)};\n"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type"))
    return _array(schema) if kind == "array" else _PLAIN.get(kind) or _object(schema)


def _array(schema: Mapping[str, Any]) -> str:
    item, length = _type(schema.get("items", {})), schema.get("minItems")
    if length is not None and length == schema.get("maxItems"):
        return f"[{', '.join([item] * length)}]"
    return f"({item})[]" if "|" in item else f"{item}[]"


def _object(schema: Mapping[str, Any]) -> str:
    if schema.get("type") != "object":
        return "unknown"
    values = schema.get("additionalProperties")
    return f"Record<string, {_type(values) if isinstance(values, Mapping) else 'unknown'}>"


def main() -> None:
    """Renew the document and the page's types."""
    described = document()
    DOCUMENT.write_text(text(described), encoding="utf-8")
    TYPES.write_text(types(described), encoding="utf-8")


if __name__ == "__main__":
    main()
