"""What an MCP tool returned, as the output of a tool call. Pure.

Rule: structured content is the output where there is any. Otherwise one text is a text, and anything else is the list
of what there is; bytes lie beside it as files, and the output says what they are, how many, and where.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import JsonValue

from activities.results import BadResult


@dataclass
class Returned:
    output: JsonValue
    #: Bytes and what they are said to be, by the sha256 that the output names them by.
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)


def read_result(result: CallToolResult, uri: Callable[[str], str]) -> Returned:
    """`uri` gives where the file with a sha256 will lie. Raises `BadResult`."""
    returned = Returned(None)
    blocks = [_block(block, returned, uri) for block in result.content]
    others = [block for block in blocks if not isinstance(block, str)]
    if result.structured_content is not None:
        returned.output = result.structured_content
        if others:
            returned.output = {"structured": result.structured_content, "content": list(others)}
    elif others:
        returned.output = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    else:
        returned.output = "\n\n".join(block for block in blocks if isinstance(block, str))
    return returned


def text_of(result: CallToolResult) -> str:
    """The words of a result, for an error's message."""
    words = [block.text for block in result.content if isinstance(block, TextContent)]
    return "\n\n".join(words) or "The tool failed and did not say why."


def _block(block: ContentBlock, returned: Returned, uri: Callable[[str], str]) -> JsonValue:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return {"type": block.type, **_file(block.data, block.mime_type, returned, uri)}
        case ResourceLink():
            told = {"uri": block.uri, "name": block.name, "media_type": block.mime_type, "about": block.description}
            return {"type": "resource_link", **{name: value for name, value in told.items() if value}}
        case EmbeddedResource(resource=TextResourceContents() as text):
            return {"type": "resource", "of": text.uri, "text": text.text}
        case EmbeddedResource(resource=BlobResourceContents() as blob):
            media_type = blob.mime_type or "application/octet-stream"
            return {"type": "resource", "of": blob.uri, **_file(blob.blob, media_type, returned, uri)}
        case EmbeddedResource():
            raise BadResult("a resource that is neither text nor bytes")
        case _:
            assert_never(block)


def _file(data: str, media_type: str, returned: Returned, uri: Callable[[str], str]) -> dict[str, JsonValue]:
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise BadResult(f"content of type {media_type} that is not base64") from None
    sha256 = hashlib.sha256(raw).hexdigest()
    returned.files[sha256] = (raw, media_type)
    return {"media_type": media_type, "bytes": len(raw), "uri": uri(sha256)}
