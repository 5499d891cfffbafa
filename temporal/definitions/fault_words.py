"""What pydantic refuses in a definition, in words for the people who write YAML.

Rule 1: each type of error that a definition can produce has its words in one table here: what would be right.
Rule 2: what was written is repeated, shortened; a mapping or a list only by its kind, and never where a secret may stand.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from pydantic_core import ErrorDetails

from perdure.temporal.telemetry.redaction import without_secrets
from perdure.workflows.definition.agent import VARIABLE
from perdure.workflows.definition.schedules import USER
from perdure.workflows.definition.tools import NAME
from perdure.workflows.definition.variables import VARIABLE_NAME
from perdure.workflows.vocabulary.durations import format_duration
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import ID

_LONGEST: Final = 60
#: Fields whose values may be secrets, or hold one, by mistake or not.
_DISCREET: Final = frozenset(["api_key", "headers", "env", "secrets", "url", "base_url", "command"])
#: What a pattern asks for.
RULES: Final = {
    NAME: "a letter, then up to 63 letters, digits, _ or -",
    VARIABLE_NAME: "a letter, then up to 63 letters, digits or _",
    VARIABLE: "the name of a variable: a letter or _, then up to 127 letters, digits or _",
    ID: "1 to 200 letters, digits or any of . _ ~ : -",
    USER: "1 to 200 characters, with no control characters among them",
}
_TOOL: Final = "must be a tool's name, or one name with its options"
_WHOLE_NUMBER: Final = "must be a whole number"
_NUMBER: Final = "must be a number"
_BOOLEAN: Final = "must be true or false"
_MAPPING: Final = "must be a mapping, as in {key: value}"
#: As the entries of a field that is a mapping of mappings are written.
_EXAMPLES: Final = {
    "models": "must be a mapping, as in {use: anthropic/claude-sonnet-5-5}",
    "inputs": "must be a mapping, as in {type: string}",
    "variables": "must be a mapping, as in {type: integer, default: 0}",
    "limits": "must be a mapping, as in {cost_usd: 5}",
}
_NUMBER_IN: Final = re.compile(r"\s*[$€£]?\s*(\d{1,20}(?:\.\d{1,20})?)\s*(?:[$€£]|USD|usd)?\s*")
_LIST: Final = "must be a list, as in [one, two]"
_TEXT: Final = "must be a text"

_QUOTED: Final = re.compile(r"'([^']*)'")
#: How pydantic writes a duration that bounds another: `365 days`, `1000 microseconds`, or as Python would.
_PART: Final = re.compile(r"(?P<unit>\w+)=(?P<number>\d+)|(?P<first>\d+) (?P<second>[a-z]+)")

Context = Mapping[str, Any]

#: By pydantic's type of error: what would be right.
WORDS: Final[Mapping[str, Callable[[Context], str]]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "there is no such field",
    "invalid_key": lambda _: "the name of a field must be a text",
    "string_type": lambda _: _TEXT,
    "string_unicode": lambda _: _TEXT,
    "string_pattern_mismatch": lambda ctx: f"must be {RULES[ctx['pattern']]}",
    "string_too_short": lambda ctx: _at_least(ctx, "character"),
    "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
    "int_type": lambda _: _WHOLE_NUMBER,
    "int_parsing": lambda _: _WHOLE_NUMBER,
    "int_parsing_size": lambda _: _WHOLE_NUMBER,
    "int_from_float": lambda _: _WHOLE_NUMBER,
    "finite_number": lambda _: _NUMBER,
    "float_type": lambda _: _NUMBER,
    "float_parsing": lambda _: _NUMBER,
    "bool_type": lambda _: _BOOLEAN,
    "bool_parsing": lambda _: _BOOLEAN,
    "dict_type": lambda _: _MAPPING,
    "model_type": lambda _: _MAPPING,
    "model_attributes_type": lambda _: _TOOL,
    "union_tag_invalid": lambda _: _TOOL,
    "tuple_type": lambda _: _LIST,
    "literal_error": lambda ctx: _one_of(choices(ctx)),
    "greater_than": lambda ctx: f"must be more than {_bound(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"must be at least {_bound(ctx['ge'])}",
    "less_than_equal": lambda ctx: f"must be at most {_bound(ctx['le'])}",
    "too_short": lambda ctx: _at_least(ctx, "entry"),
    "too_long": lambda ctx: f"must have at most {ctx['max_length']} entries; it has {ctx['actual_length']}",
    "invalid-json-value": lambda _: "must be a text, a number, true, false, null, a list or a mapping",
    "value_error": lambda ctx: str(ctx["error"]),
}
#: Those after which what was written says nothing more.
_SAID: Final = frozenset(["missing", "extra_forbidden", "too_short", "too_long", "string_too_short"])


def words(detail: ErrorDetails) -> str:
    """What is wrong with a value of a definition, without the place, and what would be right."""
    kind, value = detail["type"], detail["input"]
    context: Context = detail.get("ctx", {})
    right = WORDS[kind](context) if kind in WORDS else "is not what this field takes"
    right = right[:1].lower() + right[1:]
    given = None if kind in _SAID or _DISCREET.intersection(map(str, detail["loc"])) else shown(value)
    if kind == "value_error":
        return _own_words(detail, given)
    if given is None:
        return right
    if kind in ("dict_type", "model_type"):
        right = _EXAMPLES.get(str(detail["loc"][0]), right) if len(detail["loc"]) == 2 else right
    if kind in ("float_type", "int_type") and isinstance(value, str) and (number := _NUMBER_IN.fullmatch(value)):
        return f"{right}, not {given}; write {number[1]} without quotes or signs"
    near = did_you_mean(value, choices(context)) if kind == "literal_error" and isinstance(value, str) else ""
    quotes = "; put it in quotes" if kind == "string_type" and isinstance(value, int | float) else ""
    return f"{right}, not {given}{near}{quotes}"


def shown(value: object) -> str | None:
    """`value` as a message repeats it, on one line; None where it may be a secret."""
    match value:
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case bool() | None:
            return json.dumps(value)
        case int() | float():
            return str(value)[:_LONGEST]
        case str() if without_secrets(value) != value:
            return None
        case str():
            text = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
            return repr(text)
        case timedelta():
            return repr(_duration(value))
        case bytes():
            return "binary data"
        case date():
            return "a date"
        case _:
            return "a value of a kind that is not JSON"


def named_field(detail: ErrorDetails) -> str | None:
    """The field that a rule over several fields is about: it begins with its name, as in `retry: …`."""
    if detail["type"] != "value_error":
        return None
    name, colon, _ = str(detail["ctx"]["error"]).partition(": ")
    return name if colon and name.isidentifier() and name.islower() else None


def choices(context: Context) -> tuple[str, ...]:
    """What a field with fixed values takes."""
    return tuple(_QUOTED.findall(context.get("expected", "")))


def _own_words(detail: ErrorDetails, given: str | None) -> str:
    """A rule of our own. It may repeat what was written, which is shortened here like any other."""
    said, value, named = str(detail["ctx"]["error"]), detail["input"], named_field(detail)
    if named is not None:
        said = said.removeprefix(f"{named}: ")
        value = value.get(named) if isinstance(value, dict) else None
    said = said[:1].lower() + said[1:]
    if isinstance(value, str) and repr(value) in said:
        return said.replace(repr(value), shown(value) or "this")
    return said if named is not None or given is None or str(value) in said else f"{said} (here: {given})"


def _one_of(names: tuple[str, ...]) -> str:
    return f"must be {names[0]}" if len(names) == 1 else f"must be one of {', '.join(names)}"


def _at_least(context: Context, what: str) -> str:
    least = context["min_length"]
    many = {"entry": "entries"}.get(what, f"{what}s")
    return f"must have at least one {what}" if least == 1 else f"must have at least {least} {many}"


def _bound(bound: object) -> str:
    """`1`, `0.5`, `30s`."""
    if isinstance(bound, str):
        parts = {part["unit"] or part["second"]: int(part["number"] or part["first"]) for part in _PART.finditer(bound)}
        return _duration(timedelta(**parts))
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _duration(length: timedelta) -> str:
    return format_duration(length) if length % timedelta(days=1) else f"{length.days}d"
