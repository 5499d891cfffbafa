"""JSON Schemas of tools as each provider takes them. Pure.

Rule 1: strict, where the provider then keeps a model to the schema, is used only for a schema that strict mode can say
as it is meant. What it cannot say but a description can (a length, a default) moves into the description.
Rule 2: any other schema goes as it is, but for what the provider refuses outright; `temporal/schemas/check.py` has refused
what no form of it could take.
Rule 3: a server that merely speaks a provider's protocol gets the plain form: it may know nothing of strict mode.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from perdure.workflows.vocabulary.parts import ToolSpec

Dialect = Literal["anthropic", "openai", "plain"]

_ANNOTATIONS: Final = {"title", "examples", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "$comment"}
_ANNOTATIONS_KEPT: Final = {"description", "default"}
_NUMBERS: Final = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_FORMATS: Final = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
#: Constraints that can be told in words where they cannot be enforced.
_TELLABLE: Final = {
    *_NUMBERS,
    *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems", "contentEncoding"),
    *("contentMediaType", "minProperties", "maxProperties"),
}
_STRUCTURE: Final = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "oneOf", "allOf"}
_KNOWN: Final = {*_ANNOTATIONS, *_ANNOTATIONS_KEPT, *_TELLABLE, *_STRUCTURE, "enum", "const", "$ref", "$defs"}
_KNOWN_TOO: Final = {"discriminator"}

#: What one request may hold in strict form, all its tools together; a tool that would go over is sent plain.
_MOST: Final = {
    "anthropic": {"tools": 20, "optional": 24, "unions": 16, "properties": 200},
    "openai": {"tools": 128, "optional": 5000, "unions": 5000, "properties": 5000},
}
_DEEPEST: Final = {"anthropic": 5, "openai": 10}
_MOST_ENUM: Final = {"anthropic": 250, "openai": 1000}
_LONGEST: Final = 60_000


@dataclass(frozen=True)
class Fitted:
    schema: dict[str, Any]
    strict: bool


class _NotStrict(Exception):
    """Strict mode cannot say this."""


def fit_all(tools: Iterable[ToolSpec], dialect: Dialect) -> list[Fitted]:
    """The input schema of each tool, as a request to a provider of this dialect has it."""
    left = dict(_MOST.get(dialect, {}))
    fitted: list[Fitted] = []
    for tool in tools:
        schema, counts = _fit(json.dumps(tool.input), dialect)
        if counts is None or any(counts[what] > left[what] for what in left):
            fitted.append(Fitted(_plain(tool.input, dialect), strict=False))
            continue
        left = {what: left[what] - counts[what] for what in left}
        fitted.append(Fitted(schema, strict=True))
    return fitted


def without_nulls(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """`value` without the nulls that stand for an optional field that was not given: strict mode knows no other way."""
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
            if item is not None or name in required or name not in properties or _takes_null(properties[name], root)
        }
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        return [without_nulls(item, items, root) for item in value]
    return value


@lru_cache(maxsize=1024)
def _fit(text: str, dialect: Literal["anthropic", "openai", "plain"]) -> tuple[dict[str, Any], dict[str, int] | None]:
    """The strict form of a schema, and what it adds to the counts of a request; None where there is no such form."""
    if dialect == "plain":
        return {}, None
    schema = json.loads(text)
    try:
        strict = _Strict(dialect, schema)
        made = strict.object(schema, 1)
        definitions = {name: strict.of(part, 2) for name, part in schema.get("$defs", {}).items()}
        if definitions:
            made["$defs"] = definitions
    except _NotStrict:
        return {}, None
    if len(json.dumps(made)) > _LONGEST:
        return {}, None
    return made, strict.counts


@dataclass
class _Strict:
    """The strict form of one schema."""

    dialect: Literal["anthropic", "openai"]
    root: dict[str, Any]
    counts: dict[str, int] = field(default_factory=lambda: {"tools": 1, "optional": 0, "unions": 0, "properties": 0})

    def of(self, schema: Any, depth: int) -> dict[str, Any]:
        if not isinstance(schema, dict) or depth > _DEEPEST[self.dialect]:
            raise _NotStrict
        if set(schema) - _KNOWN - _KNOWN_TOO:
            raise _NotStrict
        if "$ref" in schema:
            return self._reference(schema)
        variants = schema.get("anyOf") or schema.get("oneOf")
        if variants is not None:
            self.counts["unions"] += 1
            made: dict[str, Any] = {"anyOf": [self.of(variant, depth) for variant in variants]}
            return self._described(made, schema, {*_TELLABLE} & set(schema))
        if "allOf" in schema:
            if len(schema["allOf"]) != 1:
                raise _NotStrict
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
                self.counts["unions"] += 1
                made = {"type": kinds}
            case _:
                raise _NotStrict
        kept = {key: schema[key] for key in schema if key in _TELLABLE and self._keeps(key, schema[key])}
        return self._described(made | kept, schema, {*_TELLABLE} & set(schema) - set(kept))

    def object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        if set(schema) - _KNOWN or "anyOf" in schema or "oneOf" in schema or "allOf" in schema:
            raise _NotStrict
        properties = schema.get("properties")
        # Fields without names cannot be said; an object that just says nothing of others is closed.
        if schema.get("additionalProperties") not in (None, False) or depth > _DEEPEST[self.dialect]:
            raise _NotStrict
        if properties is None and schema.get("additionalProperties") is None:
            raise _NotStrict
        required = set(schema.get("required", ()))
        made: dict[str, Any] = {}
        for name, part in (properties or {}).items():
            self.counts["properties"] += 1
            made[name] = self.of(part, depth + 1)
            if name not in required:
                self.counts["optional"] += 1
                if self.dialect == "openai":
                    made[name] = _nullable(made[name], _takes_null(part, self.root))
        if required - set(made):
            raise _NotStrict
        names = list(made) if self.dialect == "openai" else [name for name in made if name in required]
        closed = {"type": "object", "properties": made, "required": names, "additionalProperties": False}
        return self._described(closed, schema, {*_TELLABLE} & set(schema))

    def _reference(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema["$ref"]
        name = reference.removeprefix("#/$defs/")
        if name not in self.root.get("$defs", {}):
            raise _NotStrict
        if self.dialect == "anthropic" and _recursive(name, self.root["$defs"]):
            raise _NotStrict
        made = self._described({}, schema, set())
        # Beside a reference, nothing else may stand.
        return {"anyOf": [{"$ref": reference}], **made} if made else {"$ref": reference}

    def _choice(self, schema: dict[str, Any]) -> dict[str, Any]:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        kinds = {_KINDS.get(type(value)) for value in values}
        if None in kinds or not values or len(values) > _MOST_ENUM[self.dialect]:
            raise _NotStrict
        told = sorted(kind for kind in kinds if kind is not None)
        made: dict[str, Any] = {"type": told[0] if len(told) == 1 else told}
        made |= {"const": schema["const"]} if "const" in schema else {"enum": values}
        return self._described(made, schema, {*_TELLABLE} & set(schema))

    def _keeps(self, key: str, value: Any) -> bool:
        match key:
            case "format":
                return value in _FORMATS or (self.dialect == "anthropic" and value == "uri")
            case "minItems":
                return self.dialect == "openai" or value in (0, 1)
            case "maxItems":
                return self.dialect == "openai"
            case _:
                # Of a pattern, too, nobody says which dialect of regular expressions is taken.
                return key in _NUMBERS and self.dialect == "openai"

    def _described(self, made: dict[str, Any], schema: dict[str, Any], lost: set[str]) -> dict[str, Any]:
        """`made` with the description of `schema`, and with what is lost told in words."""
        told = {key: schema[key] for key in schema if key in lost}
        if schema.get("default") is not None:
            told["default"] = schema["default"]
        words = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in told.items())
        description = " ".join(filter(None, (schema.get("description"), f"({words})" if words else "")))
        return {**made, "description": description} if description else made


_KINDS: Final = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def _nullable(schema: dict[str, Any], already: bool) -> dict[str, Any]:
    if already:
        return schema
    if isinstance(schema.get("type"), str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    description = {"description": schema["description"]} if "description" in schema else {}
    bare = {key: value for key, value in schema.items() if key != "description"}
    variants = bare["anyOf"] if set(bare) == {"anyOf"} else [bare]
    return {"anyOf": [*variants, {"type": "null"}], **description}


def _plain(schema: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    if dialect != "openai":
        return schema
    made: dict[str, Any] = _with_items(schema)
    return made


def _with_items(schema: Any) -> Any:
    """OpenAI refuses an array that does not say of what."""
    if isinstance(schema, list):
        return [_with_items(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _with_items(value) for key, value in schema.items()}
    if made.get("type") == "array" and "items" not in made:
        made["items"] = {}
    return made


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference within `root` leads to; any other as it is."""
    for _ in range(20):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        reference = str(schema["$ref"])
        schema = root if reference == "#" else root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return schema if isinstance(schema, Mapping) else {}


def _takes_null(schema: Any, root: Mapping[str, Any]) -> bool:
    if not isinstance(schema, Mapping):
        return bool(schema)
    schema = resolved(schema, root)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return any(_takes_null(variant, root) for variant in schema[key])
    if "const" in schema:
        return schema["const"] is None
    if "enum" in schema:
        return None in schema["enum"]
    kind = schema.get("type")
    return kind is None or kind == "null" or (isinstance(kind, list) and "null" in kind)


def _looks_like(value: Any, schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if isinstance(value, dict):
        return kind == "object" and set(schema.get("required", ())) <= set(value)
    return isinstance(value, list) and kind == "array"


def _recursive(name: str, definitions: Mapping[str, Any]) -> bool:
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
