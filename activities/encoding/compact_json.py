"""JSON text for models and for comparisons."""

import json

from pydantic import JsonValue


def compact(value: JsonValue) -> str:
    """`value` as JSON without whitespace; equal values give equal text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
