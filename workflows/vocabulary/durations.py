"""Durations as people write them: `30s`, `5m`, `2h`, `3d`, `250ms`."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

#: As JSON Schema writes it; see `parse_duration`.
PATTERN: Final = r"^\d+(\.\d+)?(ms|s|m|h|d)$"
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
_UNIT = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: Any) -> Any:
    """`30s`, `5m`, `2h`, `3d`, `250ms` → timedelta. Anything else is an error that says so."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit: 30s, 5m, 2h, 3d")
    try:
        return timedelta(**{_UNIT[match[2]]: float(match[1])})
    except OverflowError:
        raise ValueError(f"{value} is longer than any clock can tell") from None


def format_duration(value: timedelta) -> str:
    """The inverse of `parse_duration`, in milliseconds where seconds do not do."""
    seconds = value.total_seconds()
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    # One schema for what is taken and what is given, so that a record with durations is one record in documents.
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
