"""An answer of the demo model that keeps to a JSON Schema: from the schema, and from what the user wrote. Pure.

Rule: the same schema and text give the same answer, and it is valid wherever the schema says how. A pattern, and keywords
that only exclude (`not`), are not followed.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.models.demo.arguments import arguments
from perdure.activities.models.schema_references import resolved
from perdure.temporal.schemas.faults import faults

_FORMATS: Final = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
#: Levels after which a schema that contains itself is given up.
_DEEPEST: Final = 12


def answer(schema: dict[str, JsonValue], text: str) -> dict[str, JsonValue]:
    """The answer to `text`, an object of `schema`."""
    made = _fitted(arguments(schema, text, ""), schema, schema, 0)
    return made if isinstance(made, dict) else {}


def _fitted(value: Any, schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    """`value`, or what is near it and valid."""
    schema = resolved(schema, root)
    if depth > _DEEPEST:
        return value
    for part in schema.get("allOf", ()):
        value = _fitted(value, part, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if isinstance(choices := schema.get("enum"), list) and choices:
        return value if value in choices else choices[0]
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        made = [_fitted(value, one, root, depth + 1) for one in variants]
        fits = (one for one, by in zip(made, variants, strict=True) if _is_valid(one, by, root))
        return next(fits, made[0])
    return _of_type(value, schema, root, depth)


def _of_type(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    match next((one for one in kinds if one != "null"), kinds[0]):
        case "object":
            return _object(value, schema, root, depth)
        case "array":
            return _array(value, schema, root, depth)
        case "string":
            return _string(value, schema)
        case "integer" | "number" as number:
            return _number(value, schema, whole=number == "integer")
        case "boolean":
            return value if isinstance(value, bool) else False
        case "null":
            return None
        case _ if "properties" in schema:
            return _object(value, schema, root, depth)
        case _:
            return "demo" if value is None else value


def _object(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    properties, required = schema.get("properties", {}), schema.get("required", ())
    named = [name for name in properties if name in given or name in required]
    made = {name: _fitted(given.get(name), properties[name], root, depth + 1) for name in named}
    others = schema.get("additionalProperties", True)
    made |= {name: _fitted(None, others, root, depth + 1) for name in required if name not in made}
    return made


def _array(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[Any]:
    items: list[Any] = value if isinstance(value, list) else []
    first, rest = schema.get("prefixItems", []), schema.get("items", {})
    least, most = schema.get("minItems", 0), schema.get("maxItems", max(len(items), schema.get("minItems", 0)))
    items = [*items, *[None] * max(0, least - len(items))][:most]
    made = [_fitted(item, first[at] if at < len(first) else rest, root, depth + 1) for at, item in enumerate(items)]
    return _told_apart(made) if schema.get("uniqueItems") else made


def _told_apart(items: list[Any]) -> list[Any]:
    made: list[Any] = []
    for number, item in enumerate(items):
        if item in made and isinstance(item, int | float):
            item = max(one for one in made if isinstance(one, int | float)) + 1
        made.append(f"{item} {number + 1}" if item in made and isinstance(item, str) else item)
    return made


def _string(value: Any, schema: Mapping[str, Any]) -> str:
    text = value if isinstance(value, str) else "demo" if value is None else str(value)
    text = _FORMATS.get(schema.get("format", ""), text)
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    text = text.ljust(least, ".")
    return text if most is None else text[:most]


def _number(value: Any, schema: Mapping[str, Any], *, whole: bool) -> int | float:
    number: int | float = value if isinstance(value, int | float) and not isinstance(value, bool) else 1
    low, high = schema.get("minimum"), schema.get("maximum")
    step = schema.get("multipleOf")
    if (above := schema.get("exclusiveMinimum")) is not None:
        low = max(low if low is not None else -math.inf, math.floor(above) + 1 if whole else above + (step or 0.5))
    if (below := schema.get("exclusiveMaximum")) is not None:
        high = min(high if high is not None else math.inf, math.ceil(below) - 1 if whole else below - (step or 0.5))
    number = number if low is None else max(number, low)
    number = number if high is None else min(number, high)
    if step:
        number = math.ceil(number / step) * step
        number = number - step if high is not None and number > high else number
    return round(number) if whole else number


def _is_valid(value: Any, schema: Any, root: Mapping[str, Any]) -> bool:
    # With the definitions that its references point to.
    whole = {**schema, "$defs": root["$defs"]} if "$defs" in root else dict(schema)
    return next(faults(value, whole), None) is None
