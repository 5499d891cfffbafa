"""Values as JSON bytes: fast, and also for what the fast encoder refuses."""

import json
from datetime import datetime
from typing import Any

import orjson


def to_json(value: Any) -> bytes:
    """UTF-8 JSON. Integers beyond 64 bits, which tools and models may write, are kept whole."""
    try:
        return orjson.dumps(value, default=str)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, default=_plain).encode(errors="replace")


def _plain(value: Any) -> Any:
    return json.loads(value.contents) if isinstance(value, orjson.Fragment) else str(value)


def fragment(value: Any) -> orjson.Fragment:
    """`value` encoded, to stand inside something that `orjson` encodes."""
    return orjson.Fragment(to_json(value))


def rfc3339(at: datetime) -> str:
    """A time in UTC as events show it."""
    return at.isoformat().replace("+00:00", "Z")
