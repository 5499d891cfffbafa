"""Messages that stay word for word however old they are, as far as a request has room for them. Pure."""

from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import Message, Part, Text


def size_of(message: Message) -> int:
    """Bytes of the message as JSON, offloaded parts counted in full."""
    return len(message.model_dump_json().encode()) + sum(part.blob.size for part in message.parts if part.blob)


def shortened(message: Message, most: int) -> Message:
    """The message; one of more than `most` bytes with the head and tail of its texts."""
    if size_of(message) <= most or not message.parts:
        return message
    keep = max(most // len(message.parts) // 2, 50)
    return message.with_parts(tuple(_short(part, keep) for part in message.parts))


def _short(part: Part, keep: int) -> Part:
    if not isinstance(part, Text):
        return part
    # What is offloaded is there in short already, and is not fetched.
    return part.model_copy(update={"text": preview(part.text, keep), "blob": None, "native": None})
