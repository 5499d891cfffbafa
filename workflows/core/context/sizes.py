"""How much a message takes of a request, as far as its bytes say. Pure."""

from perdure.workflows.protocol.compacted import LONG_RESULT, result_text
from perdure.workflows.protocol.pinned import size_of as size_of
from perdure.workflows.vocabulary.parts import Message, ToolResult

#: Bytes of JSON that a token is worth, low on purpose.
BYTES_PER_TOKEN = 3


def tokens_of(message: Message, size: int, result_tokens: int) -> int:
    """Tokens of a message of `size` bytes, without its files, where a result is shown up to `result_tokens`."""
    hidden = sum(_hidden(part, result_tokens) for part in message.parts if isinstance(part, ToolResult))
    return max(size - hidden, 0) // BYTES_PER_TOKEN


def is_long(result: ToolResult) -> bool:
    return result.blob is not None or len(result_text(result)) > LONG_RESULT


def _hidden(result: ToolResult, result_tokens: int) -> int:
    """Bytes of a result that a model is not shown."""
    text = result_text(result)
    width = len(text.encode(errors="replace")) / max(len(text), 1)
    whole = result.blob.size if result.blob is not None else len(text) * width
    return max(int(whole - result_tokens * BYTES_PER_TOKEN * width), 0)
