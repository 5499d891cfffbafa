"""A conversation as a text, for whoever shall read it and not go on with it. Pure."""

from typing import Final, assert_never

from pydantic_core import to_json

from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import Data, File, Message, Part, Reasoning, Text, ToolCall, ToolResult

#: Characters of one part of a message at most.
_LONGEST: Final = 8_000
#: The same of a tool's arguments, and of its result.
_LONGEST_RESULT: Final = 2_000
_SPEAKERS: Final = {"user": "User", "assistant": "Agent", "tool": "Tool"}


def retold(messages: tuple[Message, ...], most: int) -> str:
    """`messages` in at most about `most` characters. Where they are longer, the longest parts are shortened first."""
    pieces = [piece for message in messages for part in message.parts if (piece := _piece(message, part))]
    limit = _limit([len(text) for _, text in pieces], most)
    # Rounded up, so that what fits is never cut.
    return "\n\n".join(f"{who}: {preview(text, max((limit + 1) // 2, 1))}" for who, text in pieces)


def retold_latest(messages: tuple[Message, ...], most: int) -> str:
    """The latest of `messages`, in at most about `most` characters, and a word on how many come before them."""
    kept, length = len(messages), 0
    while kept > 0:
        length += sum(
            len(piece[1]) + 20 for part in messages[kept - 1].parts if (piece := _piece(messages[kept - 1], part))
        )
        if length > most and kept < len(messages):
            break
        kept -= 1
    told = retold(messages[kept:], most)
    return f"({kept} earlier messages are left out here.)\n\n{told}" if kept else told


def _piece(message: Message, part: Part) -> tuple[str, str] | None:
    who = _SPEAKERS[message.role]
    match part:
        case Text():
            return (who, preview(part.text.strip(), _LONGEST // 2)) if part.text.strip() else None
        case Reasoning():
            return None
        case ToolCall():
            args = part.as_written().args_raw or _json(part.as_written().args)
            return f"{who} calls {part.name}", preview(args, _LONGEST_RESULT // 2)
        case ToolResult():
            output = part.output if isinstance(part.output, str) else _json(part.output)
            failed = " (it failed)" if part.is_error else ""
            return f"Result of {part.name}{failed}", preview(output, _LONGEST_RESULT // 2)
        case File():
            return who, f"[file {part.name} ({part.media_type})]"
        case Data():
            value = part.value if isinstance(part.value, str) else _json(part.value)
            return who, f"{part.name}: {preview(value, _LONGEST_RESULT // 2)}"
        case _:
            assert_never(part)


def _limit(lengths: list[int], most: int) -> int:
    """How long a piece may be, so that all of them together are at most `most`."""
    left, limit = most, max(lengths, default=0)
    for index, length in enumerate(sorted(lengths)):
        limit = left // (len(lengths) - index)
        if length > limit:
            return limit
        left -= length
    return max(lengths, default=limit)


def _json(value: object) -> str:
    return to_json(value, inf_nan_mode="strings").decode()
