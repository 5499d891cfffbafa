"""Parts of the Gemini API's contents as JSON. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.models.provider_turns import encodable
from perdure.temporal.schemas.nesting import too_deep

#: Tag of the parts that go back verbatim.
API: Final = "gemini.content"


def member(holder: Mapping[str, Any], name: str) -> Any:
    """A member under its JSON name, or under the name of the field, which proxies write: `finishReason`, `finish_reason`."""
    value = holder.get(name)
    if value is None:
        return holder.get("".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name))
    return value


def plain(part: object) -> dict[str, JsonValue] | None:
    """`part` as it came, without lone surrogates and numbers that are none. None: it is no part."""
    if not isinstance(part, dict) or too_deep(part):
        return None
    text = part.get("text")
    if len(part) == 1 and isinstance(text, str):
        return {"text": encodable(text)}
    written = encodable(json.dumps(part, ensure_ascii=False))
    read: dict[str, JsonValue] = json.loads(written, parse_constant=lambda _: None)
    return read
