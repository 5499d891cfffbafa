"""Nulls in a call's arguments that stand for an optional property which was not given. Pure.

Strict mode makes a model send null for such a property, since it has to send every one; tools are called without it.
"""

from collections.abc import Mapping
from typing import Any

from perdure.activities.models.schema_references import resolved, takes_null


def without_nulls(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """`value` without such nulls. `schema` describes it, and is a part of `root`, which is the schema itself by
    default."""
    root = schema if root is None else root
    schema = resolved(schema, root)
    for variant in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if _looks_like(value, variant := resolved(variant, root)):
            return without_nulls(value, variant, root)
    if isinstance(value, dict) and isinstance(properties := schema.get("properties"), dict):
        required = schema.get("required", ())
        return {
            name: without_nulls(item, properties[name], root) if isinstance(properties.get(name), dict) else item
            for name, item in value.items()
            if item is not None or name in required or name not in properties or takes_null(properties[name], root)
        }
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        return [without_nulls(item, items, root) for item in value]
    return value


def _looks_like(value: Any, schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if isinstance(value, dict):
        return kind == "object" and set(schema.get("required", ())) <= set(value)
    return isinstance(value, list) and kind == "array"
