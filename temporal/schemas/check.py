"""Checks the schema of a tool's arguments: it must be a valid JSON Schema that every provider accepts.

Rule: a schema that every provider rejects is rejected before any model is called, with the place in the schema.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from perdure.temporal.schemas.nesting import DEEPEST, too_deep
from perdure.temporal.schemas.plain import TYPES, is_plain
from perdure.workflows.vocabulary.near_names import did_you_mean

Place = tuple[str | int, ...]

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Without format checks: one of them checks regular expressions with Python's engine, and ours is another
# (`perdure.temporal.schemas.patterns`).
_META: Final[Any] = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=FormatChecker(formats=()))
#: Characters of a message of jsonschema's.
_LONGEST: Final = 300
_COMBINED: Final = ("anyOf", "oneOf", "allOf", "not", "enum", "const", "if", "$ref")
#: Bytes of JSON, and levels of nesting.
_MOST: Final = 100_000
_DEEPEST: Final = 32


def field_of(place: Place) -> str:
    """`("properties", "a", "anyOf", 0)` → `input.properties.a.anyOf[0]`."""
    return "input" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)


def schema_fault(schema: dict[str, Any]) -> tuple[Place, str] | None:
    """Why `schema` is not a JSON Schema, with the place; None if it is one."""
    return next(iter(schema_faults(schema)), None)


def schema_faults(schema: dict[str, Any]) -> list[tuple[Place, str]]:
    """Each place at which `schema` is not a JSON Schema, and why."""
    if too_deep(schema):
        return [((), f"nested more than {DEEPEST} levels deep")]
    if is_plain(schema):
        return []
    found: dict[Place, str] = {}
    try:
        for error in _META.iter_errors(schema):
            found.setdefault(tuple(error.absolute_path), f"not a JSON Schema: {_why(error)}")
    except RecursionError:
        return [((), "nested too deep")]
    return list(found.items())


def _why(error: ValidationError) -> str:
    given = error.instance
    if isinstance(given, str) and list(error.absolute_path)[-1:] == ["type"]:
        return f"{given[:_LONGEST]!r} is not one of its types, {', '.join(TYPES)}{did_you_mean(given, TYPES)}"
    return error.message[:_LONGEST]


def input_fault(schema: dict[str, Any]) -> tuple[Place, str] | None:
    """Why providers reject this schema of arguments, with the place; None if they accept it."""
    if schema.get("type") != "object":
        return (), "is a JSON Schema of type: object"
    for key in _COMBINED:
        if key in schema:
            return (key,), "models do not accept this keyword at the arguments' top level; put it below a property"
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
    if isinstance(reference, str) and not _resolves(reference, root):
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


def _resolves(reference: str, root: dict[str, Any]) -> bool:
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
