"""The records in `client.d.ts`: what the API takes and gives as TypeScript, made from the OpenAPI document.

Rule: the part that is written by hand says what is needed, by naming it; with that comes whatever it is made of.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from perdure.gateway.app import create_routes
from perdure.gateway.http.problems import KINDS
from perdure.gateway.openapi.stream import EVENTS, FRAMES
from perdure.gateway.routes.pages import PAGES

FILE: Final = PAGES / "client" / "client.d.ts"
#: What follows this line is written here.
MARK: Final = "// From here on: made by `python -m perdure.gateway.reference`.\n"
#: Names that would hide those of the platform.
_RENAMED: Final = {
    "Text": "MessageText",
    "Reasoning": "MessageReasoning",
    "File": "MessageFile",
    "Data": "MessageData",
    "Event": "DurableEvent",
}
_JSON: Final = """\
export type JsonValue = string | number | boolean | null | JsonValue[] | { [name: string]: JsonValue };"""
#: A part of a document whose type says more than its schema can.
_MORE: Final = {("AgentEvent", "event"): "SessionEvent"}


def with_types(text: str) -> str:
    """The file `text` with the records as the code has them now."""
    own, _, _ = text.partition(MARK)
    return f"{own}{MARK}\n{_records(own)}\n"


def write() -> bool:
    """Writes the records anew; whether they changed."""
    before = FILE.read_text(encoding="utf-8")
    after = with_types(before)
    if after != before:
        FILE.write_text(after, encoding="utf-8")
    return after != before


def _records(own: str) -> str:
    schemas = create_routes().openapi()["components"]["schemas"]
    durable = [event.__name__ for event in EVENTS]
    live = {frame.__name__: kind for kind, frame in FRAMES.items()}
    given = {new: old for old, new in _RENAMED.items()}
    named = {given.get(word, word) for word in re.findall(r"\w+", own)}
    wanted = _with_parts(schemas, [*durable, *live, *sorted(named & schemas.keys())])
    # A snapshot is also the answer to a request, which needs no type.
    frames = {name: kind for name, kind in live.items() if name != "Snapshot"}
    items = [_named(name) for name in frames] + ["(Snapshot & { type: 'session.snapshot' })"]
    return "\n\n".join(
        [
            _JSON,
            _union("DurableEvent", "What a session has done: numbered, kept, and sent once.", map(_named, durable)),
            _union("LiveFrame", "What may be lost, and is not kept.", items),
            "/** An item of a session's stream; `type` tells which. */\nexport type SessionEvent = DurableEvent | LiveFrame;",
            _union("ProblemCode", "What a refusal or failure is called.", map(_literal, KINDS)),
            *(_record(name, schemas[name], frames.get(name)) for name in sorted(wanted)),
        ]
    )


def _with_parts(schemas: dict[str, Any], roots: list[str]) -> set[str]:
    """These records and all that they are made of."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found and name != "JsonValue":
            found.add(name)
            waiting += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schemas[name]))
    return found


def _record(name: str, schema: dict[str, Any], kind: str | None) -> str:
    if "properties" not in schema:
        return f"{_comment(schema, '')}export type {_named(name)} = {_type(schema)};"
    required = schema.get("required", ())
    lines = [] if kind is None else [f"  type: {_literal(kind)};"]
    for field, said in schema["properties"].items():
        mark = "" if field in required else "?"
        lines.append(f"{_comment(said, '  ')}  {field}{mark}: {_MORE.get((name, field)) or _type(said)};")
    if schema.get("additionalProperties") is True:
        lines.append("  [name: string]: unknown;")
    body = "\n".join(lines)
    return f"{_comment(schema, '')}export interface {_named(name)} {{\n{body}\n}}"


def _type(schema: dict[str, Any]) -> str:
    match schema:
        case {"$ref": str(place)}:
            return _named(place.rpartition("/")[2])
        case {"const": value}:
            return _literal(value)
        case {"enum": [*values]}:
            return " | ".join(map(_literal, values))
        case {"anyOf": [*kinds]} | {"oneOf": [*kinds]}:
            return " | ".join(dict.fromkeys(_type(kind) for kind in kinds))
        case {"type": "array", "items": dict(items)}:
            inner = _type(items)
            return f"({inner})[]" if "|" in inner else f"{inner}[]"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"{{ [name: string]: {_type(values)} }}"
        case {"type": "object"}:
            return "{ [name: string]: JsonValue }"
        case {"type": "integer" | "number"}:
            return "number"
        case {"type": "string" | "boolean" | "null" as kind}:
            return str(kind)
        case _:
            return "JsonValue"


def _named(name: str) -> str:
    return _RENAMED.get(name, name)


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def _comment(schema: dict[str, Any], indent: str) -> str:
    said = " ".join(schema.get("description", "").split())
    return f"{indent}/** {said.replace('*/', '* /')} */\n" if said else ""


def _union(name: str, said: str, members: Iterator[str] | list[str]) -> str:
    listed = "\n  | ".join(members)
    return f"/** {said} */\nexport type {name} =\n  | {listed};"
