"""References within a JSON Schema, and whether a schema takes null. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference within `root` leads to. Any other schema as it is."""
    for _ in range(20):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        reference = str(schema["$ref"])
        schema = root if reference == "#" else root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return schema if isinstance(schema, Mapping) else {}


def takes_null(schema: Any, root: Mapping[str, Any]) -> bool:
    """Whether null fits `schema`, a part of `root`."""
    if not isinstance(schema, Mapping):
        return bool(schema)
    schema = resolved(schema, root)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return any(takes_null(variant, root) for variant in schema[key])
    if "const" in schema:
        return schema["const"] is None
    if "enum" in schema:
        return None in schema["enum"]
    kind = schema.get("type")
    return kind is None or kind == "null" or (isinstance(kind, list) and "null" in kind)


def is_recursive(name: str, definitions: Mapping[str, Any]) -> bool:
    """Whether a definition contains itself."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for found in _references(definitions.get(waiting.pop(), {})):
            if found == name:
                return True
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return False


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix("#/$defs/")
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
