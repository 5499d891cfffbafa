"""The strict form of a tool's JSON Schema, by the rules of a provider. Pure.

What strict mode cannot enforce but a description can say (a length, a default) moves into the description.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from perdure.activities.models.schema_references import is_recursive, takes_null
from perdure.workflows.definition.providers.dialect import StrictTools

_ANNOTATIONS: Final = {"title", "examples", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "$comment"}
_ANNOTATIONS_KEPT: Final = {"description", "default"}
#: Constraints that a description can say in words where they cannot be enforced.
_TELLABLE: Final = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems", "contentEncoding"),
    *("contentMediaType", "minProperties", "maxProperties"),
}
_STRUCTURE: Final = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "oneOf", "allOf"}
_KNOWN: Final = {*_ANNOTATIONS, *_ANNOTATIONS_KEPT, *_TELLABLE, *_STRUCTURE, "enum", "const", "$ref", "$defs"}
_KNOWN_TOO: Final = {"discriminator"}
_LONGEST: Final = 60_000
_KINDS: Final = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


class NotStrict(Exception):
    """Strict mode cannot express this schema."""


@dataclass
class Counts:
    """What tools add to a request."""

    tools: int = 0
    optional_properties: int = 0
    unions: int = 0
    properties: int = 0

    def fit(self, more: "Counts", limits: StrictTools) -> bool:
        """Whether these and `more` are within the limits."""
        return (
            self.tools + more.tools <= limits.tools
            and self.optional_properties + more.optional_properties <= limits.optional_properties
            and self.unions + more.unions <= limits.unions
            and self.properties + more.properties <= limits.properties
        )

    def add(self, more: "Counts") -> None:
        self.tools += more.tools
        self.optional_properties += more.optional_properties
        self.unions += more.unions
        self.properties += more.properties


@dataclass
class StrictForm:
    """Makes the strict form of the schema `root`, and counts what it adds to a request."""

    rules: StrictTools
    root: dict[str, Any]
    counts: Counts = field(default_factory=lambda: Counts(tools=1))

    def whole(self) -> dict[str, Any]:
        """The strict form of `root`. Raises `NotStrict`."""
        made = self.object(self.root, 1)
        definitions = {name: self.of(part, 2) for name, part in self.root.get("$defs", {}).items()}
        if definitions:
            made["$defs"] = definitions
        if len(json.dumps(made)) > _LONGEST:
            raise NotStrict
        return made

    def of(self, schema: Any, depth: int) -> dict[str, Any]:
        if not isinstance(schema, dict) or depth > self.rules.depth:
            raise NotStrict
        if set(schema) - _KNOWN - _KNOWN_TOO:
            raise NotStrict
        if "$ref" in schema:
            return self._reference(schema)
        variants = schema.get("anyOf") or schema.get("oneOf")
        if variants is not None:
            self.counts.unions += 1
            made: dict[str, Any] = {"anyOf": [self.of(variant, depth) for variant in variants]}
            return self._described(made, schema, {*_TELLABLE} & set(schema))
        if "allOf" in schema:
            if len(schema["allOf"]) != 1:
                raise NotStrict
            (only,) = schema["allOf"]
            return self.of({**only, **{key: value for key, value in schema.items() if key != "allOf"}}, depth)
        if "const" in schema or "enum" in schema:
            return self._choice(schema)
        match schema.get("type"):
            case "object":
                return self.object(schema, depth)
            case "array":
                made = {"type": "array", "items": self.of(schema.get("items"), depth + 1)}
            case "string" | "integer" | "number" | "boolean" | "null" as kind:
                made = {"type": kind}
            case [*kinds] if kinds and set(kinds) <= {"string", "integer", "number", "boolean", "null"}:
                self.counts.unions += 1
                made = {"type": kinds}
            case _:
                raise NotStrict
        kept = {key: schema[key] for key in schema if key in _TELLABLE and self._keeps(key, schema[key])}
        return self._described(made | kept, schema, {*_TELLABLE} & set(schema) - set(kept))

    def object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        if set(schema) - _KNOWN or "anyOf" in schema or "oneOf" in schema or "allOf" in schema:
            raise NotStrict
        properties = schema.get("properties")
        # Strict mode has no properties without names. An object whose schema says nothing of others is closed.
        if schema.get("additionalProperties") not in (None, False) or depth > self.rules.depth:
            raise NotStrict
        if properties is None and schema.get("additionalProperties") is None:
            raise NotStrict
        required = set(schema.get("required", ()))
        made: dict[str, Any] = {}
        for name, part in (properties or {}).items():
            self.counts.properties += 1
            made[name] = self.of(part, depth + 1)
            if name not in required:
                self.counts.optional_properties += 1
                if self.rules.all_required:
                    made[name] = _nullable(made[name], takes_null(part, self.root))
        if required - set(made):
            raise NotStrict
        names = list(made) if self.rules.all_required else [name for name in made if name in required]
        closed = {"type": "object", "properties": made, "required": names, "additionalProperties": False}
        return self._described(closed, schema, {*_TELLABLE} & set(schema))

    def _reference(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema["$ref"]
        name = reference.removeprefix("#/$defs/")
        if name not in self.root.get("$defs", {}):
            raise NotStrict
        if not self.rules.recursion and is_recursive(name, self.root["$defs"]):
            raise NotStrict
        made = self._described({}, schema, set())
        # Nothing else may stand beside a reference.
        return {"anyOf": [{"$ref": reference}], **made} if made else {"$ref": reference}

    def _choice(self, schema: dict[str, Any]) -> dict[str, Any]:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        kinds = {_KINDS.get(type(value)) for value in values}
        if None in kinds or not values or len(values) > self.rules.enum_values:
            raise NotStrict
        types = sorted(kind for kind in kinds if kind is not None)
        made: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
        made |= {"const": schema["const"]} if "const" in schema else {"enum": values}
        return self._described(made, schema, {*_TELLABLE} & set(schema))

    def _keeps(self, key: str, value: Any) -> bool:
        if key in self.rules.keywords:
            return True
        if key == "minItems":
            return value in self.rules.min_items
        # No provider says which dialect of regular expressions a pattern is read in.
        return key == "format" and value in self.rules.formats

    def _described(self, made: dict[str, Any], schema: dict[str, Any], lost: set[str]) -> dict[str, Any]:
        """`made` with the description of `schema`, which then says in words what `made` leaves out."""
        in_words = {key: schema[key] for key in schema if key in lost}
        if schema.get("default") is not None:
            in_words["default"] = schema["default"]
        words = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in in_words.items())
        description = " ".join(filter(None, (schema.get("description"), f"({words})" if words else "")))
        return {**made, "description": description} if description else made


def _nullable(schema: dict[str, Any], already: bool) -> dict[str, Any]:
    if already:
        return schema
    if isinstance(schema.get("type"), str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    description = {"description": schema["description"]} if "description" in schema else {}
    bare = {key: value for key, value in schema.items() if key != "description"}
    variants = bare["anyOf"] if set(bare) == {"anyOf"} else [bare]
    return {"anyOf": [*variants, {"type": "null"}], **description}
