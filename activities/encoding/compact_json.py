"""JSON text that is sent to models and compared."""

import json

from pydantic import JsonValue


def compact(value: JsonValue) -> str:
    """`value` as JSON without whitespace. The same value always gives the same text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
