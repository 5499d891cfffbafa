"""Most schemas of definitions are made of a few keywords. Whether one is, and valid, is seen without the meta-schema, which
takes a hundred times as long.

Rule: a schema that passes here has no fault by the meta-schema of Draft 2020-12. One that does not may still be valid.
"""

from collections.abc import Callable
from typing import Any, Final

TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")


def is_plain(schema: Any) -> bool:
    """Whether `schema` is a valid JSON Schema of these keywords alone."""
    if isinstance(schema, bool):
        return True
    return isinstance(schema, dict) and all(key in _KEYWORDS and _KEYWORDS[key](value) for key, value in schema.items())


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _anything(value: Any) -> bool:
    return True


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and is_plain(one) for name, one in value.items())


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value)) and len(set(value)) == len(value)


_KEYWORDS: Final[dict[str, Callable[[Any], bool]]] = {
    "type": lambda value: isinstance(value, str) and value in TYPES,
    "title": _text,
    "description": _text,
    "format": _text,
    "pattern": _text,
    "default": _anything,
    "const": _anything,
    "enum": lambda value: isinstance(value, list),
    "properties": _by_name,
    "required": _names,
    "additionalProperties": is_plain,
    "items": is_plain,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _count),
    **dict.fromkeys(("minimum", "maximum"), _number),
}
