"""What pydantic refuses, in words for people: each field with what is wrong with it. Values are never echoed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from perdure.temporal.schemas.yaml_source import field_name
from perdure.temporal.sessions.errors import FieldError, InvalidRequest, cut

_MAX_ERRORS: Final = 20
#: What pydantic calls the members of a union: types, classes, and what it makes of them.
_KIND: Final = re.compile(r"str|constrained-str|[A-Z]\w*|(?:list|dict|tuple|function-\w+)\[.*\]", re.DOTALL)
#: Words for pydantic's commonest error types; the others speak for themselves.
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not a field that this request takes",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "string_type": "must be text",
    "string_too_short": "is empty",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
}


def from_validation(errors: Sequence[Any]) -> InvalidRequest:
    """`errors` as pydantic gives them. Each `loc` begins with where the value stood: `body`, `query`, `option`."""
    found: dict[str, list[str]] = {}
    for error in errors[:_MAX_ERRORS]:
        words, message = found.setdefault(_field(error), []), _message(error)
        # Of a value that may be of several kinds, each kind says why it is none of its own.
        if message not in words:
            words.append(message)
    named = [FieldError(field, cut(", or ".join(words))) for field, words in found.items()]
    detail = "; ".join(f"{error.field}: {error.message}" for error in named[:3])
    more = len(named) + len(errors[_MAX_ERRORS:]) - 3
    return InvalidRequest(None, f"{detail}; and {more} more" if more > 0 else detail, named)


def _field(error: Mapping[str, Any]) -> str:
    loc = error["loc"]
    steps = list(loc[1:])
    # pydantic names the member of a union between a part's number and its field, and behind a field of several kinds.
    path = [
        s
        for i, s in enumerate(steps)
        if not (i >= 2 and steps[i - 2] == "parts" and isinstance(steps[i - 1], int))
        and not (i and _KIND.fullmatch(str(s)) and (s != steps[-1] or error["type"] != "extra_forbidden"))
    ]
    return cut(field_name(tuple(path)) or str(loc[0]))


def _message(error: Mapping[str, Any]) -> str:
    message = _WORDS.get(error["type"]) or _bound(error) or str(error["msg"]).removeprefix("Value error, ")
    return cut(message)


def _bound(error: Mapping[str, Any]) -> str | None:
    """What pydantic says of lists is Python."""
    match error["type"], error.get("ctx", {}):
        case "too_short", {"min_length": 1}:
            return "is empty"
        case "too_short", {"min_length": least}:
            return f"needs at least {least}"
        case "too_long", {"max_length": most}:
            return f"takes at most {most}"
    return None
