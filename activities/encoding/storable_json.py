"""JSON of strangers in a form that can be kept: in histories, in blobs, in later requests."""

import math
from typing import Any

from pydantic import JsonValue

from perdure.activities.encoding.raw_bytes import whole_text
from perdure.temporal.schemas.nesting import DEEPEST


def storable(value: Any, levels: int = DEEPEST) -> JsonValue:
    """`value`, which `json` has read, with U+FFFD for lone surrogates, and null for numbers that JSON has no form for and for
    what is nested more than `levels` deep."""
    match value:
        case str():
            return whole_text(value)
        case float():
            return value if math.isfinite(value) else None
        case dict() if levels > 0:
            return {whole_text(key): storable(inner, levels - 1) for key, inner in value.items()}
        case list() if levels > 0:
            return [storable(inner, levels - 1) for inner in value]
        case dict() | list():
            return None
        case _:
            plain: JsonValue = value
            return plain
