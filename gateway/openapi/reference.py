"""The OpenAPI document as one page for people, in Markdown: routes by topic, schemas, problems."""

import json
from collections.abc import Iterator
from typing import Any

from perdure.gateway.guide.markdown import slug
from perdure.gateway.http.problems import KINDS
from perdure.gateway.openapi.tables import fields
from perdure.gateway.openapi.wording import cell, type_words

_INTRO = """\
All routes, with what they take and answer. Bodies are JSON. The guide's page on [HTTP](http.md) shows how the routes are
used, and [Events](events.md) what a stream holds. For programs: [openapi.json](/openapi.json).
"""
_STREAM_ITEM = f"[StreamItem](#{slug('StreamItem')})"
_PROBLEMS = """\
Errors are `application/problem+json` ([ProblemBody](#problembody)). `code` is stable, `detail` is for people.
"""


def reference(document: dict[str, Any]) -> str:
    """The whole page. `document` is OpenAPI's."""
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(f"{method.upper()} {path}", operation))
    parts = ["# HTTP reference", _INTRO]
    for name, operations in groups.items():
        parts += [f"## {name[:1].upper()}{name[1:]}", *operations]
    parts.append("## Schemas")
    for name, schema in sorted(document["components"]["schemas"].items()):
        if name not in ("JsonValue", "StreamItem"):
            parts += _schema(name, schema)
    parts += ["### StreamItem", *_stream_item(document["components"]["schemas"]["StreamItem"])]
    parts += ["## Problems", _PROBLEMS]
    parts += [f"### {code}\n\n**{kind.status}** {kind.title}." for code, kind in KINDS.items()]
    return "\n\n".join(parts)


def _operation(name: str, operation: dict[str, Any]) -> str:
    parts = [f"### `{name}`", operation.get("description", "")]
    if parameters := operation.get("parameters"):
        lines = ["| parameter | in | type | meaning |", "|---|---|---|---|"]
        for one in parameters:
            meaning = f"{one.get('description', '')}{' *required*' if one.get('required') else ''}"
            words = type_words(one["schema"], _link).removesuffix(" or null")
            lines.append(f"| `{one['name']}` | {one['in']} | {cell(words)} | {cell(meaning)} |")
        parts.append("\n".join(lines))
    if body := operation.get("requestBody"):
        parts.append(f"Body: {_body(body['content'])}")
    lines = ["| status | answers |", "|---|---|"]
    for status, answer in sorted(operation["responses"].items()):
        if status[1:] != "XX":
            content = " or ".join(_content(answer.get("content", {}))) or answer["description"]
            lines.append(f"| {status} | {cell(content)} |")
    parts.append("\n".join(lines))
    return "\n\n".join(filter(None, parts))


def _body(content: dict[str, Any]) -> str:
    if "application/json" in content:
        return type_words(content["application/json"]["schema"], _link).removesuffix(" or null")
    return " or ".join(f"`{media_type}`" for media_type in content)


def _content(content: dict[str, Any]) -> Iterator[str]:
    for media_type, one in content.items():
        match media_type:
            case "application/json":
                yield type_words(one["schema"], _link)
            case "text/event-stream":
                described = one.get("itemSchema", {}).get("description")
                yield f"an event stream: {described}" if described else f"an event stream of {_STREAM_ITEM}"
            case "*/*":
                yield "the file's bytes"
            case _:
                yield f"`{media_type}`"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    if said := schema.get("description"):
        yield said
    if table := fields(schema, _link):
        yield table
    for example in schema.get("examples", ()):
        yield f"```json\n{json.dumps(example, indent=2)}\n```"


def _stream_item(schema: dict[str, Any]) -> Iterator[str]:
    yield schema["description"]
    lines = ["| event | id | data |", "|---|---|---|"]
    for one in schema["oneOf"]:
        properties = one["properties"]
        data = type_words(properties["data"]["contentSchema"], _link)
        lines.append(f"| `{properties['event']['const']}` | {'`seq`' if 'id' in properties else ''} | {data} |")
    yield "\n".join(lines)


def _link(name: str) -> str:
    return f"#{slug(name)}"
