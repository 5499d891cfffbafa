"""Inputs of an agent as people write them, `key=value` and cells of a table: texts that become what its schemas say. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import JsonValue

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.definitions.inputs import InputProblem, check_values

Schemas = Mapping[str, dict[str, JsonValue]]


def read_pairs(agent: str, schemas: Schemas, pairs: Iterable[str], *, whole: bool = True) -> dict[str, JsonValue]:
    """The inputs that `key=value` pairs give. `whole`: no other comes, so they are checked. Raises `Refused`."""
    found: dict[str, JsonValue] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise Refused(f"{pair!r} is no input: write it as key=value")
        if name in found:
            raise Refused(f"{name} is given twice")
        found[name] = read_value(schemas.get(name, {}), text)
    if whole:
        try:
            check_values(agent, schemas, found)
        except InputProblem as problem:
            raise Refused(str(problem)) from None
    return found


def read_value(schema: Mapping[str, Any], text: str) -> JsonValue:
    """What `text` stands for where the schema wants a value of some type: itself, or the JSON that it is.

    What cannot be read so stays a text, of which the check of the inputs then says what is wrong."""
    kinds = _kinds(schema)
    if kinds <= {"string"} and kinds:
        return text
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return _boolean(text) if "boolean" in kinds else text
    if (
        isinstance(value, str)
        or not kinds
        or _kind(value) in kinds
        or (_kind(value) == "integer" and "number" in kinds)
    ):
        return value
    return text


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    """The types that a schema names; none: it names none, and takes any."""
    kind = schema.get("type")
    if kind is None and isinstance(choices := schema.get("enum"), list):
        return {_kind(choice) for choice in choices}
    return {kind} if isinstance(kind, str) else set(kind or ())


def _kind(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case None:
            return "null"
        case _:
            return "object"


def _boolean(text: str) -> JsonValue:
    """As spreadsheets write it."""
    return {"true": True, "false": False, "yes": True, "no": False}.get(text.strip().lower(), text)
