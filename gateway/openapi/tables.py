"""A schema's fields as a table in Markdown."""

from typing import Any

from perdure.gateway.openapi.wording import Link, bounds, cell, default, type_words


def fields(schema: dict[str, Any], link: Link, *, optional: bool = True, leave_out: tuple[str, ...] = ()) -> str:
    """One row a field. `optional`: fields that may be absent say so; else those that are required do."""
    required = schema.get("required", ())
    shown = {name: field for name, field in schema.get("properties", {}).items() if name not in leave_out}
    if not shown:
        return ""
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in shown.items():
        marked = (name not in required) if optional else (name in required)
        words = [("optional" if optional else "required")] if marked else []
        said = field.get("description", "")
        if (value := default(field)) and "Default:" not in said:
            words.append(f"default {value}")
        if limits := bounds(field):
            words.append(limits)
        meaning = " ".join(filter(None, [said, f"*{', '.join(words)}*" if words else ""]))
        words_of_type = type_words(field, link)
        if not optional and not marked:
            # Whoever may leave a field out need not be told that null means the same.
            words_of_type = words_of_type.removesuffix(" or null")
        lines.append(f"| `{name}` | {cell(words_of_type)} | {cell(meaning)} |")
    return "\n".join(lines)
