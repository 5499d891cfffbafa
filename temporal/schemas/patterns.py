"""Matches the regular expressions of JSON Schemas (`pattern`, `patternProperties`) in time linear in the text.

The engine is pydantic-core's (Rust's `regex`), never Python's, in which 24 characters can keep a short pattern busy
forever. As JSON Schema says, a pattern is a search, not a full match: `^` and `$` must be written out. Differences from
ECMA-262: no look-around and no back-references; `\\d`, `\\w` and `\\s` match all of Unicode; literal `{`, `[` and,
within a class, `&&`, `--` and `~~` must be escaped; `\\cX` and `[^]` do not exist.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

Place = tuple[str | int, ...]

#: Limits for an MCP server's schema: beyond them its patterns are not applied, because compiling them takes too long.
_MOST_FOREIGN: Final = 50
_LONGEST_FOREIGN: Final = 1000
_MOST_REPEATS_FOREIGN: Final = 100

_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA: Final = ("enum", "const", "default", "examples")
_REPEATS: Final = re.compile(r"\{(\d*),?(\d*)\}")


class PatternInvalid(Exception):
    """The engine does not support the pattern; the message says why."""


def matches(pattern: str, text: str) -> bool:
    """Whether `text` contains a match of `pattern`. Raises `PatternInvalid`."""
    made = _compiled(pattern)
    if isinstance(made, str):
        raise PatternInvalid(made)
    try:
        made.validate_python(text)
    except ValidationError:
        return False
    return True


def pattern_fault(schema: Any) -> tuple[Place, str] | None:
    """The place of the first pattern that the engine does not support, and why; None if it supports all."""
    for place, pattern in _patterns(schema, ()):
        made = _compiled(pattern)
        if isinstance(made, str):
            return place, f"the pattern {pattern[:100]!r} cannot be applied: {made}"
    return None


def applies_foreign(schema: Any) -> bool:
    """Whether the patterns of an MCP server's schema are few and small enough to be applied."""
    for number, (_, pattern) in enumerate(_patterns(schema, ()), 1):
        repeats = 1
        for least, most in _REPEATS.findall(pattern):
            repeats *= max(1, int((most or least or "1")[:9]))
        if number > _MOST_FOREIGN or len(pattern) > _LONGEST_FOREIGN or repeats > _MOST_REPEATS_FOREIGN:
            return False
    return True


def _patterns(schema: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _patterns(part, (*place, index))
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key == "pattern" and isinstance(value, str):
            yield (*place, key), value
        elif key in _MAPS and isinstance(value, dict):
            for name, part in value.items():
                if key == "patternProperties":
                    yield (*place, key, name), name
                yield from _patterns(part, (*place, key, name))
        elif key not in _DATA:
            yield from _patterns(value, (*place, key))


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> SchemaValidator | str:
    """The compiled pattern, or the reason why it cannot be compiled."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True))
    except SchemaError as error:
        return str(error).strip().rpartition("\n")[2].strip().removeprefix("SchemaError: ").removeprefix("error: ")
    except ValueError as error:
        # Half of a surrogate pair, which is not text.
        return str(error)
