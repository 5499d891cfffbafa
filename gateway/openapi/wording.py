"""A JSON Schema in words: the type of a field, its bounds and its default, as Markdown for tables."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from perdure.workflows.vocabulary.durations import PATTERN

#: From the name of a schema to its address.
Link = Callable[[str], str]

_BOUNDS: Final = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "below {}"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
)
_FORMATS: Final = {"date-time": "time (RFC 3339)"}


def type_words(schema: dict[str, Any], link: Link) -> str:
    """`string or null`, `list of [Message](…)`, `"idle", "working"`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "any JSON" if name == "JsonValue" else f"[{name}]({link(name)})"
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return ", ".join(map(_code, schema["enum"]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(type_words(one, link) for one in schema[key]))
    if "allOf" in schema:
        return type_words(schema["allOf"][0], link)
    match schema.get("type"):
        case "array":
            return f"list of {type_words(schema.get('items', {}), link)}"
        case "object":
            return _object(schema, link)
        case "string" if schema.get("pattern") == PATTERN:
            return "duration"
        case "string" if "format" in schema:
            return _FORMATS.get(schema["format"], str(schema["format"]))
        case str(kind):
            return kind
        case _:
            return "any JSON"


def _object(schema: dict[str, Any], link: Link) -> str:
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and values:
        return f"object of {type_words(values, link)}"
    if "patternProperties" in schema:
        (named,) = schema["patternProperties"].values()
        return f"object of {type_words(named, link)}"
    properties = schema.get("properties", {})
    return ", ".join(f"`{name}:` {type_words(one, link)}" for name, one in properties.items()) or "object"


def bounds(schema: dict[str, Any]) -> str:
    """`at least 1, at most 100`; empty where there are none."""
    return ", ".join(dict.fromkeys(_bounds(schema)))


def default(schema: dict[str, Any]) -> str:
    """As YAML and JSON have it; empty where there is none, or it is null or empty."""
    value = schema.get("default")
    # What stands in a record by default, the record's own table says.
    return "" if value is None or value == "" or isinstance(value, list | dict) else _code(value)


def cell(text: str) -> str:
    """`text` as a table cell: on one line, its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    for key, words in _BOUNDS:
        if key in schema:
            yield (
                words.format(_number(schema[key]))
                .replace(" 1 characters", " 1 character")
                .replace(" 1 items", " 1 item")
            )
    for key in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(key, ()):
            yield from _bounds(one)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"
