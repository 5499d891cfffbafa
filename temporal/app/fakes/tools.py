"""What the real providers reject in a request's tools, so that the fake one rejects it too. Pure.

Written from the providers' documentation of strict tools, not from what our own normaliser produces.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

_ROOT: Final = ("oneOf", "anyOf", "allOf", "enum", "not")
_BOTH_REFUSE: Final = {
    *("oneOf", "not", "if", "then", "else", "patternProperties", "propertyNames", "dependentRequired", "prefixItems"),
    *("dependentSchemas", "unevaluatedProperties", "uniqueItems", "contains", "minProperties", "maxProperties"),
    *("minLength", "maxLength"),
}
_ANTHROPIC_REFUSES: Final = {
    *_BOTH_REFUSE,
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems"),
}
_OPENAI_REFUSES: Final = {*_BOTH_REFUSE, "allOf", "default"}


def anthropic_tools(tools: list[dict[str, Any]]) -> Iterator[str]:
    optional = strict = 0
    for at, tool in enumerate(tools):
        schema = tool["input_schema"]
        yield from _common(f"tools.{at}.custom", tool["name"], schema)
        for name in schema.get("properties") or ():
            if re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name) is None:
                yield f"tools.{at}.custom.input_schema.properties: Property keys should match pattern"
        if not tool.get("strict"):
            continue
        strict += 1
        for part in _parts(schema):
            if refused := _ANTHROPIC_REFUSES & set(part):
                yield f"tools.{at}.custom: For '{part.get('type')}' type, property '{min(refused)}' is not supported"
            if part.get("type") == "object":
                if part.get("additionalProperties") is not False:
                    yield f"tools.{at}.custom: For 'object' type, 'additionalProperties' must be explicitly set to false"
                optional += len(part["properties"]) - len(part.get("required", ()))
            if part.get("minItems", 0) > 1:
                yield f"tools.{at}.custom: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    if strict > 20:
        yield "Too many strict tools: at most 20 are supported"
    if optional > 24:
        yield "Schemas contains too many optional parameters: at most 24 are supported"


def openai_tools(tools: list[dict[str, Any]]) -> Iterator[str]:
    for at, tool in enumerate(tools):
        schema = tool["parameters"]
        yield from _common(f"tools[{at}]", tool["name"], schema)
        for part in _parts(schema):
            if part.get("type") == "array" and "items" not in part:
                yield f"Invalid schema for function '{tool['name']}': array schema missing items."
        if not tool.get("strict"):
            continue
        for part in _parts(schema):
            complaint = None
            if refused := _OPENAI_REFUSES & set(part):
                complaint = f"'{min(refused)}' is not permitted."
            elif "$ref" in part and len(part) > 1:
                complaint = "$ref cannot have keywords beside it."
            elif part.get("type") == "object" and part.get("additionalProperties") is not False:
                complaint = "'additionalProperties' is required to be supplied and to be false."
            elif part.get("type") == "object" and set(part["properties"]) != set(part.get("required", ())):
                complaint = (
                    "'required' is required to be supplied and to be an array including every key in properties."
                )
            elif not {"type", "anyOf", "$ref"} & set(part):
                complaint = "schema must have a 'type' key."
            if complaint is not None:
                yield f"Invalid schema for function '{tool['name']}': {complaint}"


def _common(where: str, name: str, schema: dict[str, Any]) -> Iterator[str]:
    if re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) is None:
        yield f"{where}.name: does not match pattern '^[a-zA-Z0-9_-]+$'"
    if schema.get("type") != "object" or any(key in schema for key in _ROOT):
        yield f"{where}: schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level"


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema, including itself."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key in ("properties", "$defs"):
        for part in (schema.get(key) or {}).values():
            yield from _parts(part)
    yield from _parts(schema.get("items"))
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key) or ():
            yield from _parts(part)
