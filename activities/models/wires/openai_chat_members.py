"""Members of streamed messages and calls that only their server understands, put together from fragments. Pure and total.

A server may want them back: Gemini's OpenAI endpoint wants `extra_content`, LiteLLM `thinking_blocks`, OpenRouter
`reasoning_details`.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.models.growing_text import GrowingText
from perdure.activities.models.provider_turns import encodable
from perdure.temporal.schemas.nesting import too_deep

#: Text that comes in fragments. Any other value is complete wherever it stands.
_FRAGMENTS: Final = frozenset(("text", "summary", "thinking", "content", "reasoning"))


class Members:
    """What has come so far, by name."""

    def __init__(self) -> None:
        # JSON, in which a `GrowingText` is a text that may go on.
        self._known: dict[str, Any] = {}

    def add(self, members: Iterable[tuple[str, Any]]) -> None:
        """Adds `members` as they come with one fragment of the answer."""
        for name, value in members:
            if value not in (None, "", [], {}) and not too_deep(value):
                _merge(self._known, name, value)

    def whole(self) -> dict[str, JsonValue]:
        return {encodable(name): _storable(value) for name, value in self._known.items() if value not in ({}, [])}


def _merge(into: dict[str, Any], name: str, new: Any) -> None:
    old = into.get(name)
    if isinstance(new, dict):
        if not isinstance(old, dict):
            old = into[name] = {}
        for inner, value in new.items():
            if value is not None:
                _merge(old, inner, value)
    elif isinstance(new, list):
        if not isinstance(old, list):
            old = into[name] = []
        for entry in new:
            _gather(old, entry)
    elif isinstance(new, str) and name in _FRAGMENTS:
        if not isinstance(old, GrowingText):
            old = into[name] = GrowingText()
        old.add(new)
    else:
        into[name] = new


def _gather(entries: list[Any], new: Any) -> None:
    """Adds an entry of a list, or a fragment of one: its text comes in pieces, its signature perhaps last."""
    if not isinstance(new, dict):
        entries.append(new)
        return
    # Without an index, only the last entry can go on.
    candidates = reversed(entries) if new.get("index") is not None else entries[-1:]
    entry = next((old for old in candidates if isinstance(old, dict) and _continues(old, new)), None)
    if entry is None:
        entry = {}
        entries.append(entry)
    for name, value in new.items():
        if value is not None:
            _merge(entry, name, value)


def _continues(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if any(old.get(name) != new.get(name) for name in ("type", "index")):
        return False
    if old.get("id") and new.get("id") and old["id"] != new["id"]:
        return False
    text = any(new.get(name) for name in _FRAGMENTS)
    # What is signed or encrypted is complete.
    return not old.get("data") and not new.get("data") and not (old.get("signature") and (text or new.get("signature")))


def _storable(value: Any) -> JsonValue:
    match value:
        case GrowingText():
            return encodable(value.text)
        case str():
            return encodable(value)
        case dict():
            return {encodable(str(name)): _storable(inner) for name, inner in value.items()}
        case list():
            return [_storable(inner) for inner in value]
        case float() if not isfinite(value):
            return None
        case bool() | int() | float():
            return value
        case _:
            return None
