"""What is wrong with the schema of a tool's arguments: no JSON Schema at all, or one that no provider takes.

Rule: what every provider refuses is refused before any model is asked, with the place in the schema.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

from perdure.temporal.schemas.nesting import DEEPEST, too_deep

Place = tuple[str | int, ...]

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_COMBINED: Final = ("anyOf", "oneOf", "allOf", "not", "enum", "const", "if", "$ref")
#: Bytes of JSON, and levels of nesting.
_MOST: Final = 100_000
_DEEPEST: Final = 32


def field_of(place: Place) -> str:
    """`("properties", "a", "anyOf", 0)` → `input.properties.a.anyOf[0]`."""
    return "input" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)


def schema_fault(schema: dict[str, Any]) -> tuple[Place, str] | None:
    """Why this is no JSON Schema, and where; None where it is one."""
    if too_deep(schema):
        return (), f"nested more than {DEEPEST} levels deep"
    try:
        # Without formats: among them is that of regular expressions, which are not Python's
        # (`perdure.temporal.schemas.patterns`).
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        return tuple(error.absolute_path), f"not a JSON Schema: {error.message[:300]}"
    except RecursionError:
        return (), "nested too deep"
    return None


def input_fault(schema: dict[str, Any]) -> tuple[Place, str] | None:
    """Why no provider takes this schema of arguments, and where in it; None where they do."""
    if schema.get("type") != "object":
        return (), "is a JSON Schema of type: object"
    for key in _COMBINED:
        if key in schema:
            return (key,), "models take no alternatives for the arguments as a whole; put them below a property"
    if len(str(schema)) > _MOST:
        return (), f"is longer than {_MOST} characters"
    return schema_fault(schema) or next(_faults(schema, schema, (), 0), None)


def _faults(schema: Any, root: dict[str, Any], place: Place, depth: int) -> Iterator[tuple[Place, str]]:
    if depth > _DEEPEST:
        yield place, f"is nested more than {_DEEPEST} levels deep"
        return
    if not isinstance(schema, dict):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and not _leads_somewhere(reference, root):
        yield (*place, "$ref"), f"{reference!r} is not in this schema, and nothing is fetched from elsewhere"
    for key in ("properties", "$defs"):
        for name, part in (schema.get(key) or {}).items():
            if key == "properties" and _NAME.fullmatch(name) is None:
                yield (*place, key, name), "models take only names of up to 64 letters, digits, _, . and -"
            yield from _faults(part, root, (*place, key, name), depth + 1)
    for key in ("items", "additionalProperties", "not", "contains", "propertyNames"):
        yield from _faults(schema.get(key), root, (*place, key), depth + 1)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for index, part in enumerate(schema.get(key) or ()):
            yield from _faults(part, root, (*place, key, index), depth + 1)


def _leads_somewhere(reference: str, root: dict[str, Any]) -> bool:
    if not reference.startswith("#"):
        return False
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        elif isinstance(found, dict) and step in found:
            found = found[step]
        else:
            return False
    return True
