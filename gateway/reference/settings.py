"""All settings of a process, made from the settings model."""

import re
from typing import Any, Final

from perdure.gateway.openapi.wording import bounds, cell, default, type_words
from perdure.temporal.field_comments import field_comments
from perdure.temporal.settings import Settings

_NONE: Final = re.compile(r"\bNone\b")


def reference() -> str:
    comments = field_comments(Settings)
    schema: dict[str, Any] = Settings.model_json_schema()
    lines = ["| variable | value | default | meaning |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        said = _NONE.sub("Unset", comments.get(name, field.get("description", "")))
        value = ", ".join(filter(None, [_value(field), bounds(field)]))
        unset = ("`on`" if field["default"] else "`off`") if field.get("type") == "boolean" else default(field)
        lines.append(f"| `PERDURE_{name.upper()}` | {cell(value)} | {cell(unset)} | {cell(said)} |")
    return "\n".join(lines)


def _value(field: dict[str, Any]) -> str:
    words = type_words(field, str).removesuffix(" or null")
    plain = {"boolean": "`on` or `off`", "list of string": "names, separated by commas", "password": "a URL"}
    return plain.get(words, words)
