"""Long parts in short, as they travel once the whole of them lies in the blob store. Pure."""

from typing import assert_never

from pydantic import JsonValue
from pydantic_core import to_json

from perdure.workflows.vocabulary.parts import (
    BlobRef,
    Data,
    File,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolError,
    ToolResult,
)


def preview(text: str, keep: int = 1024) -> str:
    """The head and the tail of a long text, with a word on what is missing between."""
    if len(text) <= 2 * keep:
        return text
    return f"{text[:keep]}\n… {len(text) - 2 * keep} characters left out …\n{text[-keep:]}"


def folded(part: Part, blob: BlobRef) -> Part:
    """`part` as it travels once the whole of it lies in the blob store: head and tail, and the reference."""
    match part:
        case Text() | Reasoning():
            return part.model_copy(update={"text": preview(part.text), "native": None, "blob": blob})
        case ToolCall():
            # What is no JSON object is known to be none without its blob.
            raw = None if part.args_raw is None else preview(part.args_raw)
            gone = {"native": None, "written": None}
            return part.model_copy(update={"args": {}, "args_raw": raw, "blob": blob, **gone})
        case ToolResult() if part.is_error:
            error = ToolError.model_validate(part.output)
            short = error.model_copy(update={"message": preview(error.message), "content": None})
            return part.model_copy(update={"output": short.model_dump(), "blob": blob})
        case ToolResult():
            whole = part.output if isinstance(part.output, str) else _as_json(part.output)
            return part.model_copy(update={"output": preview(whole), "blob": blob})
        case File():
            return part.model_copy(update={"uri": blob.key, "blob": blob})
        case Data():
            return part.model_copy(update={"value": preview(_as_json(part.value)), "blob": blob})
        case _:
            assert_never(part)


def _as_json(value: JsonValue) -> str:
    return to_json(value, inf_nan_mode="strings").decode()
