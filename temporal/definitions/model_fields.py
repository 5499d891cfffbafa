"""The fields of the records that a pydantic type is made of, found by the place of an error."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from perdure.temporal.schemas.yaml_source import Loc


class ModelFields:
    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        self._root: dict[str, Any] = adapter.json_schema()

    def at(self, loc: Loc) -> frozenset[str]:
        """Names of the fields of the record at `loc`, as pydantic names places; none where it is a list or a free mapping."""
        found = self._resolved(self._root)
        for step in loc:
            found = self._resolved(self._child(found, step))
        return frozenset(found.get("properties", ()))

    def _child(self, schema: Mapping[str, Any], step: int | str) -> Mapping[str, Any]:
        if "oneOf" in schema and "discriminator" not in schema:
            # Records that a function tells apart are named by their titles.
            return next((one for one in schema["oneOf"] if str(one.get("$ref", "")).endswith(f"/{step}")), {})
        if "discriminator" in schema:
            reference = schema["discriminator"]["mapping"].get(step)
            return {"$ref": reference} if reference else {}
        if isinstance(step, int):
            items = schema.get("items")
            return items if isinstance(items, dict) else {}
        if step in schema.get("properties", ()):
            named: Mapping[str, Any] = schema["properties"][step]
            return named
        others = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
        return next((other for other in others if isinstance(other, dict)), {})

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Past references, and past null as an alternative."""
        while True:
            if "$ref" in schema:
                schema = self._root["$defs"][schema["$ref"].rpartition("/")[2]]
            elif "anyOf" in schema:
                schema = next((one for one in schema["anyOf"] if one.get("type") != "null"), {})
            else:
                return schema
