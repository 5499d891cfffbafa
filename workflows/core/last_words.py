"""A message in one line, for an overview. Pure."""

from collections.abc import Sequence
from typing import Final

from perdure.workflows.vocabulary.parts import Message, Part, Text, ToolResult

#: Of a message without words.
WORDLESS: Final = "…"


def last_words(message: Message) -> str:
    """One short line of a message."""
    return words_of(message.parts)


def words_of(parts: Sequence[Part]) -> str:
    """One short line of what a message is made of."""
    for part in parts:
        match part:
            case Text(text=text) if text.strip():
                line = " ".join(text.split())
                return line if len(line) <= 160 else f"{line[:159]}…"
            case ToolResult():
                return f"{part.name}: {'failed' if part.is_error else 'done'}"
            case _:
                continue
    return WORDLESS
