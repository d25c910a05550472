"""The API for people: one page without scripts, made of the document, nothing from elsewhere."""

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi.responses import HTMLResponse

from studio_svc.web_app.pages import plain_page

JSON: Final = "application/json"
_INTRO: Final = (
    "<p>Send <code>Authorization: Bearer TOKEN</code>, the word in <code>studio_token</code> of "
    "the state folder. Money is a text of plain digits, times are epoch milliseconds UTC. A "
    "refusal has a <code>code</code> for programs and a <code>detail</code> for people. A click on "
    "an address opens its parameters, examples and a line to type. For programs: "
    '<a href="/api/openapi.json">OpenAPI</a>.'
)


def docs_page(document: Mapping[str, Any]) -> HTMLResponse:
    """Return the page of a document: its operations by tag, each with its examples."""
    by_tag: dict[str, list[str]] = {tag["name"]: [] for tag in document.get("tags", [])}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            [tag] = operation["tags"]
            by_tag.setdefault(tag, []).append(_operation(method.upper(), path, operation, document))
    said = {tag["name"]: tag["description"] for tag in document.get("tags", [])}
    parts = "".join(
        f'<h2 id="{_id(tag)}">{html.escape(tag)}</h2><p>{_text(said.get(tag, ""))}{"".join(shown)}'
        for tag, shown in by_tag.items()
    )
    links = " · ".join(f'<a href="#{_id(tag)}">{html.escape(tag)}</a>' for tag in by_tag)
    return plain_page("API", f"{_INTRO}<p>{links}{parts}", 200, wide=True)


def _operation(
    method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> str:
    schemas = document["components"]["schemas"]
    body = operation.get("requestBody", {}).get("content", {}).get(JSON)
    status, answer = next(one for one in operation["responses"].items() if one[0].startswith("2"))
    content = answer.get("content", {})
    # its first sentence is the summary
    rest = operation.get("description", "").partition("\n\n")[2]
    parts = [f"<p>{_text(rest)}"] if rest else []
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [
            (one["name"], one["schema"], one.get("required", False), one.get("description", ""))
            for one in parameters
        ]
        parts.append(f"<h3>Parameters</h3>{_table(rows)}")
    if body is not None:
        parts.append(f"<h3>Body</h3>{_table(_fields(body['schema'], schemas))}")
        parts.append(_json(body["example"]))
    parts.append(f"<h3>Answer, {status}</h3>")
    if JSON in content:
        told = [row for row in _fields(content[JSON]["schema"], schemas) if row[3]]
        parts.append(_json(content[JSON]["example"]))
        parts.append(_table(told, asked=False))
    else:
        parts.append(f"<p><code>{html.escape(next(iter(content), 'nothing'))}</code>")
    parts.append(f"<pre>{html.escape(_curl(method, path, parameters, body))}</pre>")
    return (
        f"<details><summary><code>{method} {html.escape(path)}</code> "
        f"{_text(operation['summary'])}</summary>{''.join(parts)}</details>"
    )


def _curl(
    method: str, path: str, parameters: list[dict[str, Any]], body: Mapping[str, Any] | None
) -> str:
    """Return the operation as it is typed, with what it must be given."""
    query = []
    for one in parameters:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", str(one["example"]))
        elif one.get("required"):
            query.append(f"{one['name']}={one['example']}")
    address = f"$PAGE{path}{'?' if query else ''}{'&'.join(query)}"
    verb = "" if method == "GET" or (method == "POST" and body is not None) else f" -X {method}"
    line = f'curl{verb} -H "Authorization: Bearer $TOKEN" "{address}"'
    if body is None:
        return line
    return f"{line} \\\n  -H 'Content-Type: application/json' -d '{json.dumps(body['example'])}'"


Row = tuple[str, Mapping[str, Any], bool, str]
"""Name, schema, whether it must be given, what it means."""


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Row]:
    """Return the fields of what a schema is, or is a list of."""
    name = next(_names(schema), None)
    if name is None:
        return []
    found = schemas[name]
    required = found.get("required", [])
    return [
        (field, one, field in required, one.get("description", ""))
        for field, one in found.get("properties", {}).items()
    ]


def _names(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for part in (*schema.get("anyOf", ()), schema.get("items", {})):
        if part:
            yield from _names(part)


def _table(rows: list[Row], *, asked: bool = True) -> str:
    """Return a table of fields; `asked` tells which must be given."""
    if not rows:
        return ""
    lines = "".join(
        f"<tr><td><code>{html.escape(name)}</code><td>{html.escape(_type(schema))}"
        f"{_default(schema, is_required=required) if asked else ''}<td>{_text(said)}"
        for name, schema, required, said in rows
    )
    return f"<table>{lines}</table>"


def _default(schema: Mapping[str, Any], *, is_required: bool) -> str:
    if is_required:
        return "<td>required"
    default = schema.get("default")
    return "<td>" if default is None else f"<td>default {html.escape(json.dumps(default))}"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format", kind))


def _json(example: Any) -> str:
    return f"<pre>{html.escape(json.dumps(example, indent=1, ensure_ascii=False))}</pre>"


def _text(text: str) -> str:
    """Escape text and set what is in backticks as code."""
    parts = html.escape(" ".join(text.split())).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _id(tag: str) -> str:
    return tag.replace(" ", "-")
