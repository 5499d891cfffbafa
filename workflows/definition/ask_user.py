"""The form tool `ask_user`: what the model is told of it, and which answers fit a call. Pure.

Rule: whatever fields a model makes up, there is an answer that fits them. A field that is none is left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import JsonValue

NAME: Final = "ask_user"
DESCRIPTION: Final = (
    "Ask the user something that you need to know and cannot find out, and wait for the answer. Without fields the answer "
    "is one text: {answer}. With fields it is a form, and the answer has the values by the fields' names; fields that are "
    "not required may be missing. Ask for everything in one call."
)
INPUT: Final[dict[str, JsonValue]] = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "description": "The question, or what the form is for, as the user reads it"},
        "fields": {
            "type": "array",
            "description": "Leave it away to ask for one text",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "The key of its value in the answer"},
                    "label": {"type": "string", "description": "What the user reads at it; without one, the name"},
                    "type": {
                        "type": "string",
                        "enum": ["text", "number", "boolean", "choice", "date"],
                        "description": "A choice is one of `options`; a date is YYYY-MM-DD",
                    },
                    "options": {"type": "array", "items": {"type": "string"}, "description": "Of a choice"},
                    "required": {"type": "boolean", "description": "By itself false"},
                },
                "required": ["name", "type"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["prompt"],
    "additionalProperties": False,
}

_MONTH_AND_DAY: Final = "(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TYPES: Final[dict[str, dict[str, Any]]] = {
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date", "pattern": f"^[0-9]{{4}}-{_MONTH_AND_DAY}$"},
}
_TEXT: Final[dict[str, Any]] = {"type": "string", "pattern": r"\S"}


def fields_of(args: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The fields of a call's form that have a name; none where one text is asked for."""
    fields = args.get("fields")
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict) and isinstance(field.get("name"), str):
            yield field


def answer_schema(args: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of the answers to a call with these arguments."""
    fields = {field["name"]: field for field in fields_of(args)}
    if not fields:
        return _object({"answer": _TEXT}, ["answer"])
    required = [name for name, field in fields.items() if field.get("required") is True]
    return _object({name: _value(field) for name, field in fields.items()}, required)


def _value(field: Mapping[str, Any]) -> dict[str, Any]:
    kind, options = field.get("type"), field.get("options")
    if kind == "choice" and isinstance(options, list) and options:
        return {"enum": options}
    return _TYPES.get(kind, _TEXT) if isinstance(kind, str) else _TEXT


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
